/** Clients that `.ci/codegen-sdks.mjs` generates for other languages: both packages of them, against a running sidecar. */
import { startProcess } from '../harness/process.js';
import { startSidecar } from '../harness/sidecar.js';
import { buildDriver, type Language, toolchainOf } from './generated/build.js';
import { type DriverRun, describeSdk } from './matrix.js';

const cases = [
  'dapr/save and get',
  'dapr/missing store, with its reason in the details',
  'dapr/watch a configuration: id, change, end',
  'layotto/save and get',
  'layotto/missing store',
  'layotto/watch a configuration: change',
  'layotto/next ids follow each other',
] as const;

async function startDriver(language: Language, toolchain: string): Promise<DriverRun> {
  const { command, env } = await buildDriver(language, toolchain);
  const sidecar = await startSidecar({ appId: `${language}-generated` });
  const [program, ...args] = command;
  const actor = startProcess(program, args, {
    name: `driver of the generated ${language} client`,
    env: { ...env, DAPR_GRPC_PORT: String(sidecar.grpcPort) },
  });
  return {
    actor,
    stop: async () => {
      await actor.stop(2_000);
      await sidecar.stop();
      if (actor.lines.some((line) => line.includes('FAILED')))
        actor.lines.push('--- sidecar', ...sidecar.actor.lines.slice(-60));
    },
  };
}

const languages = [
  ['go', 'Go'],
  ['python', 'Python'],
  ['java', 'Java'],
] as const;

for (const [language, name] of languages) {
  describeSdk({
    sdk: `${name}, generated`,
    title: `${name} client, generated from the protos`,
    recorded: false,
    cases,
    part: () => toolchainOf(language),
    start: (toolchain) => startDriver(language, toolchain),
  });
}
