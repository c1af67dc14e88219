/** Request paths as Dapr's router sees them: cleaned while still percent-encoded, places decoded once afterwards. */

export interface SplitPath {
  /** Without the query. */
  readonly path: string;
  /** Without the `?`. */
  readonly query: string;
}

export function splitPath(target: string): SplitPath {
  const at = target.indexOf('?');
  return at < 0 ? { path: target, query: '' } : { path: target.slice(0, at), query: target.slice(at + 1) };
}

/**
 * Go's path.Clean for rooted paths: no empty segments, no trailing slash, `.` and `..` resolved. Encoded dots and slashes
 * stay as they are: they are part of a key.
 */
export function cleanPath(path: string): string {
  if (!path.includes('//') && !path.includes('/.') && (path.length === 1 || !path.endsWith('/'))) return path;
  const segments: string[] = [];
  for (const segment of path.split('/')) {
    if (segment === '' || segment === '.') continue;
    if (segment === '..') segments.pop();
    else segments.push(segment);
  }
  return `/${segments.join('/')}`;
}

/** A place of a pattern: `+` is a space, percent-encoding is decoded once. undefined: it is malformed. */
export function decodePlace(text: string): string | undefined {
  if (!text.includes('%') && !text.includes('+')) return text;
  try {
    return decodeURIComponent(text.replace(/\+/g, ' '));
  } catch {
    return undefined;
  }
}
