import { xmlAnswer } from './answer.ts';
import { violations } from './check.ts';
import { encode } from './encode.ts';
import { type Model, membersOf, type Shape, shapeOf } from './model.ts';
import type { Protocol } from './protocol.ts';
import { type Dialect, ec2, query } from './query-dialects.ts';
import { ServiceError } from './service.ts';

/**
 * AWS Query (Auto Scaling) and its dialect EC2 Query: form parameters in (`Filter.1.Name=…`), XML out. EC2 leaves out
 * the word `member`, spells names its own way, knows no result wrapper, and has error names of its own.
 */
export function awsQuery(model: Model): Protocol {
  const dialect = model.metadata.protocol === 'ec2' ? ec2 : query;
  return {
    throttling: dialect.throttling,
    read(operation, body) {
      const shapeName = model.operations[operation]?.input;
      const input = decode(model, dialect, shapeName ?? '', tree(body)) as Record<string, unknown>;
      const broken = shapeName ? violations(model, shapeName, input) : [];
      if (broken[0]) throw dialect.invalid(broken);
      if (input.DryRun === true) throw dryRun();
      return input;
    },
    answer(operation, output, requestId) {
      const { output: shapeName, resultWrapper } = model.operations[operation] ?? {};
      const result = shapeName ? (encode(model, shapeName, output ?? {}, dialect.style) as object) : {};
      const body = dialect.body(result, resultWrapper, requestId);
      return xmlAnswer(200, requestId, {
        [`${operation}Response`]: { '@_xmlns': model.metadata.xmlNamespace, ...body },
      });
    },
    refuse(error, requestId) {
      // A model may name an exception's shape otherwise than its code on the wire.
      const code = model.shapes[error.code]?.error?.code ?? error.code;
      return xmlAnswer(error.statusCode, requestId, dialect.error(code, error, requestId));
    },
    unknownOperation: (operation, why) =>
      new ServiceError('InvalidAction', `The action ${operation} is not valid for this web service. ${why}`),
  };
}

/** EC2's answer to DryRun, which every operation of it has: checked, and not done. */
function dryRun(): ServiceError {
  return new ServiceError('DryRunOperation', 'Request would have succeeded, but DryRun flag is set.', 412);
}

/** Form parameters by the steps of their names: a text, or what stands below. */
type Tree = Map<string, Tree | string>;

function tree(body: string): Tree {
  const root: Tree = new Map();
  for (const [parameter, value] of new URLSearchParams(body)) {
    if (parameter === 'Action' || parameter === 'Version') continue;
    const steps = parameter.split('.');
    const last = steps.pop() ?? '';
    let node = root;
    for (const step of steps) {
      const next = node.get(step);
      const below: Tree = next instanceof Map ? next : new Map();
      node.set(step, below);
      node = below;
    }
    if (!node.has(last)) node.set(last, value);
  }
  return root;
}

function decode(model: Model, dialect: Dialect, shapeName: string, sent: Tree | string, path = ''): unknown {
  const shape: Shape = shapeName ? shapeOf(model, shapeName) : { type: 'structure' };
  if (shape.type === 'structure') return decodeStructure(model, dialect, shape, below(sent), path);
  if (shape.type === 'list') {
    const word = dialect.listWord;
    const items = word ? below(below(sent).get(word) ?? '') : below(sent);
    const inOrder = [...items].sort(([one], [other]) => Number(one) - Number(other));
    const prefix = word ? `${path}.${word}` : path;
    return inOrder.map(([n, item]) => decode(model, dialect, shape.member?.shape ?? '', item, `${prefix}.${n}`));
  }
  if (typeof sent !== 'string') throw dialect.unreadable(path, '');
  return decodeScalar(dialect, shape, sent, path);
}

/** An empty list or structure is sent as an empty text. */
function below(sent: Tree | string): Tree {
  return typeof sent === 'string' ? new Map() : sent;
}

function decodeStructure(model: Model, dialect: Dialect, shape: Shape, sent: Tree, path: string) {
  const rest = new Set(sent.keys());
  const input: Record<string, unknown> = {};
  for (const [member, reference] of membersOf(shape)) {
    const parameter = dialect.parameter(member, reference);
    const value = sent.get(parameter);
    if (value === undefined) continue;
    rest.delete(parameter);
    input[member] = decode(model, dialect, reference.shape, value, path ? `${path}.${parameter}` : parameter);
  }
  const [unknown] = rest;
  if (unknown !== undefined && dialect.refusesUnknown) {
    const parameter = path ? `${path}.${unknown}` : unknown;
    throw new ServiceError('UnknownParameter', `The parameter ${parameter} is not recognized`);
  }
  return input;
}

function decodeScalar(dialect: Dialect, shape: Shape, sent: string, path: string): unknown {
  switch (shape.type) {
    case 'string':
      return sent;
    case 'boolean':
      if (/^(true|false)$/i.test(sent)) return sent.toLowerCase() === 'true';
      break;
    case 'blob':
      return new Uint8Array(Buffer.from(sent, 'base64'));
    case 'timestamp':
      if (Number.isFinite(Date.parse(sent))) return new Date(sent);
      break;
    case 'integer':
    case 'long':
      if (/^-?\d{1,15}$/.test(sent)) return Number(sent);
      break;
    default:
      if (sent !== '' && Number.isFinite(Number(sent))) return Number(sent);
  }
  throw dialect.unreadable(path, sent);
}
