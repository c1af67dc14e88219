#!/usr/bin/env node
/**
 * Generates proto/src/gen and test/conformance/gen from .proto files, only when something that goes into them has
 * changed. Run before `tsc -b`. `--force` generates in any case.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
/** What is generated: by which template, from which folders (none: those of buf.yaml), into which. */
const trees = [
  { out: 'proto/src/gen', arguments: [], template: 'buf.gen.yaml' },
  {
    out: 'test/conformance/gen',
    arguments: ['test/conformance/proto', '--template', 'test/buf.gen.yaml'],
    template: 'test/buf.gen.yaml',
  },
];
const stampFile = join(root, trees[0].out, '.stamp');
const protoRoots = ['dapr', 'layotto', 'grpc', 'google', 'outrigger', 'testing']
  .map((name) => join(root, 'proto', name))
  .concat(join(root, 'test/conformance/proto'));
const tools = ['buf', 'protoc-gen-es', 'protoplugin', 'protobuf'];

function filesUnder(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort();
}

/** One hash over everything that the output depends on: sources, our plugin, configuration, versions of the tools. */
function hashInputs() {
  const hash = createHash('sha256');
  const add = (name, bytes) => hash.update(name).update('\0').update(bytes).update('\0');
  const sources = protoRoots.flatMap(filesUnder).filter((file) => file.endsWith('.proto'));
  const plugin = filesUnder(join(root, 'proto/plugin'));
  const config = ['buf.yaml', '.ci/codegen.mjs', ...trees.map(({ template }) => template)].map((name) =>
    join(root, name),
  );
  for (const file of [...sources, ...plugin, ...config]) add(relative(root, file), readFileSync(file));
  for (const tool of tools) add(tool, readFileSync(join(root, 'node_modules/@bufbuild', tool, 'package.json')));
  return hash.digest('hex');
}

function isCurrent(stamp) {
  if (trees.some(({ out }) => !existsSync(join(root, out)))) return false;
  return existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp;
}

function generate(into, more) {
  const bin = join(root, 'node_modules/.bin');
  const result = spawnSync(join(bin, 'buf'), ['generate', ...more, '--output', into], {
    cwd: root,
    env: { ...process.env, PATH: [bin, dirname(process.execPath), process.env.PATH ?? ''].join(delimiter) },
    stdio: 'inherit',
  });
  if (result.error)
    throw new Error(`codegen: buf could not be started: ${result.error.message}. Run npm install first.`);
  if (result.status !== 0) throw new Error(`codegen: buf generate ended with ${result.status ?? result.signal}`);
}

/** Replaces only the files that differ, so that `tsc -b` and other runs of this script are not disturbed. */
function sync(fresh, target) {
  const names = new Set(filesUnder(fresh).map((file) => relative(fresh, file)));
  for (const old of filesUnder(target))
    if (old !== stampFile && !names.has(relative(target, old))) rmSync(old, { force: true });
  let written = 0;
  for (const name of names) {
    const to = join(target, name);
    const bytes = readFileSync(join(fresh, name));
    if (existsSync(to) && readFileSync(to).equals(bytes)) continue;
    mkdirSync(dirname(to), { recursive: true });
    renameSync(join(fresh, name), to);
    written++;
  }
  return { files: names.size, written };
}

const stamp = hashInputs();
if (!process.argv.includes('--force') && isCurrent(stamp)) process.exit(0);

mkdirSync(join(root, '.cache'), { recursive: true });
const work = mkdtempSync(join(root, '.cache/codegen-'));
try {
  for (const { out, arguments: more } of trees) {
    generate(work, more);
    const { files, written } = sync(join(work, out), join(root, out));
    console.log(`codegen: ${files} files, ${written} changed in ${out}`);
  }
  writeFileSync(stampFile, stamp);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
} finally {
  rmSync(work, { recursive: true, force: true });
}
