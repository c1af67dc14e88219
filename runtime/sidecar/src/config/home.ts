/** Where local data and running instances are kept. It works with no HOME and no password entry. */
import { accessSync, constants } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

type Env = Readonly<Record<string, string | undefined>>;

/** `--home` / OUTRIGGER_HOME, else `$HOME/.outrigger`, else a folder of this user in the temporary folder. */
export function homeDir(given: string | undefined, env: Env): string {
  if (given !== undefined && given !== '') return path.resolve(given);
  const home = env['HOME'];
  if (home !== undefined && path.isAbsolute(home)) {
    const folder = path.join(home, '.outrigger');
    // A container's home may be `/`, or read-only.
    if (mayWrite(folder)) return folder;
  }
  return path.join(os.tmpdir(), `outrigger-${process.getuid?.() ?? 'user'}`);
}

/** Whether `folder` may be written, or made where it would be. */
function mayWrite(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
    return true;
  } catch (error) {
    const parent = path.dirname(folder);
    return (error as NodeJS.ErrnoException).code === 'ENOENT' && parent !== folder && mayWrite(parent);
  }
}

const APP_ID_LENGTH_MAX = 100;

/** Why `appId` cannot be one, or undefined. Dapr's two rules first, in Dapr's words. */
export function appIdProblem(appId: string): string | undefined {
  if (appId === '') return 'parameter app-id cannot be empty';
  if (appId.includes('.')) return 'parameter app-id cannot contain dots';
  // It becomes part of keys (`app||key`), of addresses and of a folder's name.
  if (!/^[A-Za-z0-9_][A-Za-z0-9_-]*$/.test(appId)) return `"${appId}" is not an app id: letters, digits, - and _ only`;
  if (appId.length > APP_ID_LENGTH_MAX) return `an app id has at most ${APP_ID_LENGTH_MAX} characters`;
  return undefined;
}

/** The working folder's name, made fit: the same app gets the same id, and so its state, at every start. */
export function defaultAppId(cwd: string): string {
  const name = path
    .basename(cwd)
    .replace(/[^A-Za-z0-9_-]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, APP_ID_LENGTH_MAX);
  return name === '' ? 'app' : name;
}
