/** SQL LIKE without a regular expression: the time is bounded by pattern × text, whatever the pattern. */

const any = 0;
const one = 1;
type Token = typeof any | typeof one | string;

function tokensOf(pattern: string): Token[] {
  const tokens: Token[] = [];
  let escaped = false;
  for (const character of pattern) {
    if (escaped) {
      tokens.push(character);
      escaped = false;
    } else if (character === '\\') escaped = true;
    else if (character === '%') {
      if (tokens.at(-1) !== any) tokens.push(any);
    } else if (character === '_') tokens.push(one);
    else tokens.push(character);
  }
  if (escaped) tokens.push('\\');
  return tokens;
}

/** Compiles `pattern`: `%` is any run, `_` any one character, `\` takes the next character literally. */
export function likeMatcher(pattern: string): (text: string) => boolean {
  const tokens = tokensOf(pattern);
  return (text) => {
    const characters = Array.from(text);
    let at = 0;
    let token = 0;
    // The last `%` seen and where the text stood then: on a mismatch it swallows one character more.
    let starToken = -1;
    let starAt = 0;
    while (at < characters.length) {
      const wanted = tokens[token];
      if (wanted === any) {
        starToken = token++;
        starAt = at;
      } else if (wanted !== undefined && (wanted === one || wanted === characters[at])) {
        token++;
        at++;
      } else if (starToken >= 0) {
        token = starToken + 1;
        at = ++starAt;
      } else return false;
    }
    while (tokens[token] === any) token++;
    return token === tokens.length;
  };
}
