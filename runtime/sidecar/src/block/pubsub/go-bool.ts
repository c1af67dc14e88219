/** Booleans in metadata, as Go's strconv.ParseBool reads them. */

/** false when absent or empty; undefined when it is no boolean. */
export function goBool(text: string | undefined): boolean | undefined {
  switch (text) {
    case undefined:
    case '':
    case '0':
    case 'f':
    case 'F':
    case 'false':
    case 'FALSE':
    case 'False':
      return false;
    case '1':
    case 't':
    case 'T':
    case 'true':
    case 'TRUE':
    case 'True':
      return true;
    default:
      return undefined;
  }
}
