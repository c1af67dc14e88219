/** Each suite twice: with the owner's own components, and with those of a participant that goes through the socket. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Component, ComponentDefinition } from '@outrigger/components-core';
import {
  type ConformanceSubject,
  configurationConformance,
  createManualClock,
  lockConformance,
  namesConformance,
  type OpenSubject,
  pubsubConformance,
  sequencerConformance,
  stateConformance,
  testConfig,
  testDeps,
} from '@outrigger/components-core/conformance';
import {
  configurationLocal,
  lockLocal,
  nameresolutionLocal,
  pubsubLocal,
  sequencerLocal,
  stateLocal,
} from './index.js';

const signal = new AbortController().signal;

function opened<C extends Component>(definition: ComponentDefinition<C>, as: 'owner' | 'participant'): OpenSubject<C> {
  return async (): Promise<ConformanceSubject<C>> => {
    const sharedDir = await mkdtemp(join(tmpdir(), 'outrigger-local-'));
    const clock = createManualClock();
    let instances: C[] = [];
    const open = async (): Promise<C> => {
      const component = definition.create(testConfig(definition.type), testDeps(clock, { sharedDir }));
      await component.open(signal);
      instances.push(component);
      return component;
    };
    const openAll = async (): Promise<C> => {
      if (as === 'participant') await open();
      return open();
    };
    const closeAll = async (): Promise<void> => {
      // The participants first, so that no election is on when the directory goes.
      for (const component of instances.reverse()) await component.close();
      instances = [];
    };
    return {
      component: await openAll(),
      advance: (ms) => clock.advance(ms),
      another: open,
      reopen: async () => {
        await closeAll();
        return openAll();
      },
      close: async () => {
        await closeAll();
        await rm(sharedDir, { recursive: true });
      },
    };
  };
}

for (const as of ['owner', 'participant'] as const) {
  stateConformance(`state.local as ${as}`, opened(stateLocal, as));
  pubsubConformance(`pubsub.local as ${as}`, opened(pubsubLocal, as), { durableSubscriptions: true });
  configurationConformance(`configuration.local as ${as}`, opened(configurationLocal, as));
  lockConformance(`lock.local as ${as}`, opened(lockLocal, as));
  sequencerConformance(`sequencer.local as ${as}`, opened(sequencerLocal, as));
  namesConformance(`nameresolution.local as ${as}`, opened(nameresolutionLocal, as));
}
