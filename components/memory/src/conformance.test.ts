import type { Component, ComponentDefinition } from '@outrigger/components-core';
import {
  type ConformanceSubject,
  configurationConformance,
  createManualClock,
  lockConformance,
  pubsubConformance,
  sequencerConformance,
  stateConformance,
  testConfig,
  testDeps,
} from '@outrigger/components-core/conformance';
import { configurationInMemory, lockInMemory, pubsubInMemory, sequencerInMemory, stateInMemory } from './index.js';

function opened<C extends Component>(
  definition: ComponentDefinition<C>,
  metadata: Record<string, string> = {},
): () => Promise<ConformanceSubject<C>> {
  return async () => {
    const clock = createManualClock();
    const component = definition.create(testConfig(definition.type, metadata), testDeps(clock));
    await component.open(new AbortController().signal);
    return { component, advance: (ms) => clock.advance(ms), close: () => component.close() };
  };
}

stateConformance('state.in-memory', opened(stateInMemory));
stateConformance('state.in-memory with query', opened(stateInMemory, { query: 'true' }));
pubsubConformance('pubsub.in-memory', opened(pubsubInMemory), { durableSubscriptions: false });
configurationConformance('configuration.in-memory', opened(configurationInMemory));
lockConformance('lock.in-memory', opened(lockInMemory));
sequencerConformance('sequencer.in-memory', opened(sequencerInMemory));
