import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { topicScopes } from './scopes.js';

const scopesOf = (metadata: Record<string, string>, appId = 'app') => topicScopes(appId, (name) => metadata[name]);

describe('topic scopes', () => {
  it('allow everything when nothing is said', () => {
    const scopes = scopesOf({});
    assert.ok(scopes.mayPublish('a') && scopes.maySubscribe('a'));
  });

  it('confine an app that a scope names, and leave others free', () => {
    const metadata = { publishingScopes: 'app=a, b; other=c', subscriptionScopes: 'app=' };
    const scopes = scopesOf(metadata);
    assert.ok(scopes.mayPublish('a') && scopes.mayPublish('b') && !scopes.mayPublish('c'));
    assert.ok(!scopes.maySubscribe('a'));
    assert.ok(scopesOf(metadata, 'third').mayPublish('c'));
  });

  it('allow only allowedTopics, scopes within them', () => {
    const scopes = scopesOf({ allowedTopics: 'a,b', publishingScopes: 'app=b,c' });
    assert.ok(scopes.maySubscribe('a') && !scopes.maySubscribe('c'));
    assert.ok(!scopes.mayPublish('a') && scopes.mayPublish('b') && !scopes.mayPublish('c'));
  });

  it('need a scope for protected topics', () => {
    const scopes = scopesOf({ protectedTopics: 'p,q', publishingScopes: 'app=p' });
    assert.ok(scopes.mayPublish('p') && !scopes.mayPublish('q') && !scopes.mayPublish('free'));
    assert.ok(!scopes.maySubscribe('p') && scopes.maySubscribe('free'));
  });
});
