/**
 * Routing conditions in CEL (https://cel.dev), over the event's members.
 *
 * @bufbuild/cel and not @marcbachmann/cel-js: it is held to Google's conformance suite, and its `matches` is RE2, where the
 * other runs a rule's pattern as a JavaScript regular expression, which one hostile event can keep busy for minutes (the
 * other is 7 times faster, 0.7 against 5 µs a rule, which buys nothing beside a call to the app). It is loaded when the
 * first rule is compiled: 80 ms and 16 MB that a sidecar without rules does not spend. It has no cost limit of its own:
 * an expression's cost is bounded here before it runs.
 */
import { errorsOf } from '@outrigger/engine';

/** Longest expression. */
export const CEL_CHARS_MAX = 4096;
/** Most steps that one evaluation may take: expression nodes × items ^ nested macros, an upper bound. */
export const CEL_COST_MAX = 2_000_000;

const CEL_ERRORS = {
  CEL_TOO_LONG: {
    grpc: 'INVALID_ARGUMENT',
    http: 400,
    text: 'the expression has {chars} characters, more than {max}',
  },
  CEL_SYNTAX: { grpc: 'INVALID_ARGUMENT', http: 400, text: 'the expression {expression} is not CEL: {error}' },
  CEL_COST: {
    grpc: 'RESOURCE_EXHAUSTED',
    http: 400,
    text: 'the expression {expression} could take {cost} steps on this event, more than {max}',
    hint: 'nest fewer macros (all, exists, filter, map), or send events with shorter lists',
  },
  CEL_FAILED: { grpc: 'INVALID_ARGUMENT', http: 400, text: 'the expression {expression} cannot be evaluated: {error}' },
  CEL_NOT_BOOL: {
    grpc: 'INVALID_ARGUMENT',
    http: 400,
    text: 'the expression {expression} does not yield true or false',
  },
} as const;
const fail = errorsOf(CEL_ERRORS);

/** Throws OutriggerError when the expression cannot be evaluated on this event. */
export type Condition = (event: Readonly<Record<string, unknown>>) => boolean;

type CelModule = typeof import('@bufbuild/cel');
let loading: Promise<CelModule> | undefined;

/** Rejects with an OutriggerError that names what is wrong with the expression. */
export async function compileCondition(expression: string): Promise<Condition> {
  if (expression.length > CEL_CHARS_MAX) throw fail('CEL_TOO_LONG', { chars: expression.length, max: CEL_CHARS_MAX });
  loading ??= import('@bufbuild/cel');
  const cel = await loading;
  let evaluate: (bindings: { event: unknown }) => unknown;
  let shape: { readonly nodes: number; readonly nesting: number };
  try {
    const parsed = cel.parse(expression);
    shape = measure(parsed);
    evaluate = cel.plan(cel.celEnv(), parsed) as typeof evaluate;
  } catch (error) {
    // RangeError: brackets nested deeper than the parser's stack.
    throw fail('CEL_SYNTAX', { expression, error: error instanceof Error ? error.message : String(error) });
  }
  return (event) => {
    if (shape.nesting > 0) {
      const cost = shape.nodes * (shape.nodes + countItems(event)) ** shape.nesting;
      if (cost > CEL_COST_MAX) throw fail('CEL_COST', { expression, cost, max: CEL_COST_MAX });
    }
    const result = evaluate({ event });
    if (typeof result === 'boolean') return result;
    if (cel.isCelError(result)) throw fail('CEL_FAILED', { expression, error: result.message });
    throw fail('CEL_NOT_BOOL', { expression });
  };
}

/** Nodes of an expression, and how deep its comprehensions (what macros turn into) are nested. */
function measure(parsed: unknown): { nodes: number; nesting: number } {
  let nodes = 0;
  const walk = (value: unknown): number => {
    if (value === null || typeof value !== 'object') return 0;
    let nesting = 0;
    const { $typeName, exprKind } = value as { $typeName?: string; exprKind?: { case?: string } };
    if ($typeName === 'cel.expr.Expr') nodes++;
    for (const child of Object.values(value)) nesting = Math.max(nesting, walk(child));
    return exprKind?.case === 'comprehensionExpr' ? nesting + 1 : nesting;
  };
  const nesting = walk((parsed as { expr?: unknown }).expr);
  return { nodes, nesting };
}

/** List elements and map entries of an event, all levels together. Not recursive: events may be nested deeply. */
function countItems(event: object): number {
  const open: object[] = [event];
  let items = 0;
  while (open.length > 0) {
    const children = Object.values(open.pop() as object);
    items += children.length;
    for (const child of children) if (child !== null && typeof child === 'object') open.push(child);
  }
  return items;
}
