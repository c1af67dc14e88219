/** What one attempt to open a component needs from the sidecar: clock, log, identity, and the secret stores. */
import type { ComponentDeps, ComponentKind, SecretStore } from '@outrigger/components-core';
import type { Clock, Logger } from '@outrigger/engine';
import type { ComponentDocument } from '../config/model.js';
import { originText } from '../config/problem.js';
import type { ComponentCatalog } from './catalog-row.js';
import { ComponentInitError } from './component-errors.js';
import { type OpenedComponent, openComponent, unknownMetadata } from './open-component.js';
import type { ComponentEntry } from './registry.js';

export interface OpenerConfig {
  readonly appId: string;
  readonly namespace: string;
  /** Random per process. */
  readonly instanceId: string;
  /** `$OUTRIGGER_HOME/local/<namespace>`. */
  readonly sharedDir: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly unhealthyInitFatal: boolean;
}

export interface OpenerDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly catalog: ComponentCatalog;
  secretStore(name: string): ComponentEntry<SecretStore> | undefined;
}

export type Opener = (
  document: ComponentDocument,
  kind: ComponentKind,
  signal: AbortSignal,
) => Promise<OpenedComponent>;

export function createOpener(config: OpenerConfig, deps: OpenerDeps): Opener {
  const { appId, namespace, instanceId, sharedDir, env, unhealthyInitFatal } = config;
  const { clock, log, catalog } = deps;
  /** Documents whose unknown metadata was named. */
  const checked = new WeakSet<ComponentDocument>();
  return (document, kind, signal) => {
    const component: ComponentDeps = {
      clock,
      log: log.child({ component: document.name }),
      appId,
      namespace,
      instanceId,
      sharedDir,
    };
    return openComponent(document, kind, signal, {
      catalog,
      component,
      metadata: {
        appId,
        namespace,
        env,
        lenient: unhealthyInitFatal,
        log,
        secret: (store, name) => secretOf(document, store, name, deps),
      },
      onDefinition(definition) {
        if (checked.has(document)) return;
        checked.add(document);
        for (const { origin, message } of unknownMetadata(document, kind, definition)) {
          log.warn(`${originText(origin)}: ${message}`);
        }
      },
    });
  };
}

async function secretOf(
  document: ComponentDocument,
  store: string,
  name: string,
  deps: OpenerDeps,
): Promise<Readonly<Record<string, string>>> {
  const entry = deps.secretStore(store);
  if (entry === undefined) {
    const message = `Component ${document.name} references a secret store that isn't loaded: ${store}`;
    throw new ComponentInitError('INIT_COMPONENT_FAILURE', message, { parked: true });
  }
  let secrets: SecretStore;
  try {
    secrets = await entry.ready();
  } catch (error) {
    throw new ComponentInitError('INIT_COMPONENT_FAILURE', (error as Error).message, { parked: true, cause: error });
  }
  return secrets.get(name, { namespace: document.namespace ?? '' });
}
