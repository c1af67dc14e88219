/** Where local data and running instances are kept. It works with no HOME and no password entry. */
import os from 'node:os';
import path from 'node:path';

type Env = Readonly<Record<string, string | undefined>>;

/** `--home` / OUTRIGGER_HOME, else `$HOME/.outrigger`, else a folder of this user in the temporary folder. */
export function homeDir(given: string | undefined, env: Env): string {
  if (given !== undefined && given !== '') return path.resolve(given);
  const home = env['HOME'];
  if (home !== undefined && path.isAbsolute(home)) return path.join(home, '.outrigger');
  return path.join(os.tmpdir(), `outrigger-${process.getuid?.() ?? 'user'}`);
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
