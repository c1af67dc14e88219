/** Rules of the repository that no compiler checks. Each message says how to mend. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..');
const tracked = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
  cwd: root,
  encoding: 'utf8',
})
  .split('\n')
  .filter((file) => file !== '' && existsSync(join(root, file)));
const sources = tracked.filter((file) => /\.(ts|mjs)$/.test(file));
const read = (file: string): string => readFileSync(join(root, file), 'utf8');
const isTest = (file: string): boolean =>
  /\.test(\.support)?\.ts$/.test(file) || file.startsWith('test/') || file.includes('/testing/');

/** Import specifiers of a file, `import()` and re-exports included. */
function importsOf(text: string): { readonly specifier: string; readonly dynamic: boolean }[] {
  const found: { specifier: string; dynamic: boolean }[] = [];
  for (const match of text.matchAll(/^\s*(?:import|export)\b[^'";]*?from\s+'([^']+)'|^\s*import\s+'([^']+)'/gm)) {
    found.push({ specifier: (match[1] ?? match[2]) as string, dynamic: false });
  }
  for (const match of text.matchAll(/\bimport\(\s*'([^']+)'\s*\)/g))
    found.push({ specifier: match[1] as string, dynamic: true });
  return found;
}

/** Left may import right, never back; rooms in one list may import one another. */
const SIDECAR_LAYERS: readonly (readonly string[])[] = [
  ['main', 'cli'],
  ['index'],
  ['sidecar'],
  ['catalog'],
  ['xds', 'admin', 'upgrade'],
  ['api'],
  ['block'],
  ['app', 'component'],
  ['proxy'],
  ['router', 'filter', 'cluster'],
  ['stream'],
  ['policy'],
  ['lifecycle', 'telemetry', 'security'],
  ['config', 'errors'],
];
const ENGINE_LAYERS: readonly (readonly string[])[] = [
  ['index'],
  ['server', 'client'],
  ['codec'],
  ['network'],
  ['os', 'base'],
];

function layerOf(layers: readonly (readonly string[])[], room: string): number {
  return layers.findIndex((rooms) => rooms.includes(room));
}

function directionBreaks(
  packageDir: string,
  layers: readonly (readonly string[])[],
  typesFrom: ReadonlySet<string>,
): string[] {
  const breaks: string[] = [];
  for (const file of sources) {
    if (!file.startsWith(`${packageDir}/src/`) || isTest(file)) continue;
    const room = (file.slice(packageDir.length + 5).split('/')[0] as string).replace(/\.ts$/, '');
    const from = layerOf(layers, room);
    if (from < 0) {
      breaks.push(`${file}: room '${room}' is in no layer; add it to test/tidy.test.ts or move the file`);
      continue;
    }
    // Types flow freely out of the contract rooms: they do not exist at run time.
    const text = read(file).replace(/^\s*(?:import|export) type\b[^;]*;/gm, (statement) =>
      [...typesFrom].some((name) => statement.includes(`/${name}`)) ? '' : statement,
    );
    for (const { specifier } of importsOf(text)) {
      if (!specifier.startsWith('.')) continue;
      const target = relative(join(packageDir, 'src'), join(dirname(file), specifier));
      const targetRoom = (target.split('/')[0] as string).replace(/\.js$/, '');
      const to = layerOf(layers, targetRoom);
      if (to >= 0 && to < from) {
        breaks.push(
          `${file} imports ${specifier}: '${room}' stands right of '${targetRoom}'. Turn the dependency round, or pass what is needed in`,
        );
      }
    }
  }
  return breaks;
}

describe('tidy', () => {
  it('keeps the direction between the rooms of the engine', () => {
    assert.deepEqual(directionBreaks('runtime/engine', ENGINE_LAYERS, new Set()), []);
  });

  it('keeps the direction between the rooms of the sidecar', () => {
    assert.deepEqual(directionBreaks('runtime/sidecar', SIDECAR_LAYERS, new Set(['block/context'])), []);
  });

  it('keeps the direction between packages', () => {
    const allowed: Readonly<Record<string, readonly string[]>> = {
      'components/core': [],
      'components/memory': ['@outrigger/components-core'],
      'components/local': ['@outrigger/components-core'],
      proto: [],
      'runtime/engine': [],
      'runtime/sidecar': ['@outrigger/engine', '@outrigger/proto', '@outrigger/components-core'],
      'sdks/typescript': ['@outrigger/engine', '@outrigger/proto'],
    };
    const breaks: string[] = [];
    for (const file of sources) {
      const home = Object.keys(allowed).find((dir) => file.startsWith(`${dir}/src/`));
      if (home === undefined || isTest(file)) continue;
      for (const { specifier, dynamic } of importsOf(read(file))) {
        const name = specifier.match(/^(@outrigger\/[\w-]+|outrigger)(\/|$)/)?.[1];
        if (name === undefined || allowed[home]?.includes(name)) continue;
        if (file === 'runtime/sidecar/src/catalog.ts' && dynamic) continue;
        breaks.push(
          `${file} imports ${specifier}, which ${home} may not; only catalog.ts loads technologies, by import()`,
        );
      }
    }
    assert.deepEqual(breaks, []);
  });

  it('takes time and chance only from the injected clock', () => {
    const own = /\b(Date\.now|performance\.now|process\.hrtime|setTimeout|setInterval|Math\.random)\b(?!\))/;
    const breaks: string[] = [];
    for (const file of sources) {
      if (!/^(runtime|components)\/[^/]+\/src\//.test(file) || isTest(file)) continue;
      if (file === 'runtime/engine/src/base/system-clock.ts' || file.includes('/conformance/')) continue;
      read(file)
        .split('\n')
        .forEach((line, index) => {
          if (own.test(line.replace(/\/\/.*|^\s*\*.*|`[^`]*`/, ''))) {
            breaks.push(`${file}:${index + 1} uses its own time or chance; take the injected Clock (D9)`);
          }
        });
    }
    assert.deepEqual(breaks, []);
  });

  it('names files in kebab-case after their step', () => {
    const breaks = sources
      .map((file) => file.split('/').at(-1) as string)
      .filter(
        (name) =>
          !/^[a-z0-9]+([-.][a-z0-9]+)*\.(ts|mjs)$/.test(name) || /(^|-)(impl|util|utils|helpers|misc)\./.test(name),
      );
    assert.deepEqual(breaks, []);
  });

  it('switches no test off without saying why', () => {
    const breaks = sources.filter(
      (file) => file !== 'test/tidy.test.ts' && /\b(it|test|describe)\.(only|todo|skip)\(/.test(read(file)),
    );
    assert.deepEqual(breaks, []);
  });

  it('names no path of a machine and no download address', () => {
    const breaks = tracked.filter((file) => {
      if (/\.(png|ico)$/.test(file) || file === 'test/tidy.test.ts') return false;
      const text = read(file);
      return (
        (isTest(file) ? /(^|[\s'"(=])\/(root|work)\/[a-z]/m : /(^|[\s'"(=])\/(home|Users|root|work)\/[a-z]/m).test(
          text,
        ) ||
        (file === 'package-lock.json' && /"resolved": "http/.test(text))
      );
    });
    assert.deepEqual(breaks, []);
  });

  it('commits no generated code and no binaries', () => {
    const index = execFileSync('git', ['ls-files'], { cwd: root, encoding: 'utf8' }).split('\n');
    assert.deepEqual(
      index.filter(
        (file) => /(^|\/)(dist|gen|node_modules)\//.test(file) || /\.(node|so|exe|jar|tgz|class|pyc)$/.test(file),
      ),
      [],
    );
  });
});
