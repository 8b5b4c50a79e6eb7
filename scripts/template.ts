import * as z from 'zod';

const Resource = z.looseObject({ Type: z.string(), DependsOn: z.union([z.string(), z.array(z.string())]).optional() });

const Template = z.looseObject({
  Parameters: z.record(z.string(), z.unknown()).default({}),
  Resources: z.record(z.string(), Resource),
  Outputs: z.record(z.string(), z.unknown()).default({}),
});

/** CloudFormation's limits for a template that is deployed from a bucket. */
const LARGEST_TEMPLATE_BYTES = 1_000_000;
const MOST_RESOURCES = 500;

/**
 * Holds a CloudFormation template against itself, without an account: what it refers to is there, nothing goes in a
 * circle, nothing of the Serverless Framework's own language is left in it.
 * @returns one sentence for each fault
 */
export function faultsOfTemplate(input: unknown): string[] {
  const template = Template.parse(input);
  const { Resources, Parameters, Outputs } = template;
  const known = new Set([...Object.keys(Resources), ...Object.keys(Parameters)]);
  const references = new Map(Object.entries(Resources).map(([name, body]) => [name, referencesOf(body)]));
  for (const [name, body] of Object.entries(Outputs)) references.set(`Outputs.${name}`, referencesOf(body));
  const dangling = [...references].flatMap(([name, targets]) =>
    targets.filter((target) => !known.has(target)).map((target) => `${name} refers to ${target}, which is not there.`),
  );
  return [...dangling, ...circles(references), ...leftovers(Resources), ...sizeFaults(template)];
}

/** The logical names in every Ref, Fn::GetAtt, Fn::Sub and DependsOn below `value`. */
function referencesOf(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(referencesOf);
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value)
    .flatMap(([key, below]) => [...namesIn(key, below), ...referencesOf(below)])
    .filter((name) => !name.startsWith('AWS::'));
}

function namesIn(key: string, value: unknown): string[] {
  if (key === 'Ref' && typeof value === 'string') return [value];
  if (key === 'DependsOn') return [value].flat().map(String);
  if (key === 'Fn::GetAtt') return [String(Array.isArray(value) ? value[0] : value).replace(/\..*/, '')];
  if (key !== 'Fn::Sub') return [];
  const [text, own] = Array.isArray(value) ? value : [value, {}];
  const names = [...String(text).matchAll(/\$\{([^!}.][^}.]*)[^}]*\}/g)].map(([, name = '']) => name.trim());
  return names.filter((name) => !Object.hasOwn(own, name));
}

function circles(references: ReadonlyMap<string, readonly string[]>): string[] {
  const done = new Set<string>();
  const visit = (name: string, path: readonly string[]): string[] => {
    if (path.includes(name)) return [`${[...path.slice(path.indexOf(name)), name].join(' -> ')} is a circle.`];
    if (done.has(name)) return [];
    const found = (references.get(name) ?? []).flatMap((target) => visit(target, [...path, name]));
    done.add(name);
    return found;
  };
  return [...references.keys()].flatMap((name) => visit(name, []));
}

function leftovers(resources: Record<string, unknown>): string[] {
  return Object.entries(resources).flatMap(([name, body]) => {
    const [variable] = /\$\{(self|sls|opt|env|file|param|cf|ssm|aws)[:(][^}]*\}/.exec(JSON.stringify(body)) ?? [];
    return variable ? [`${name} still says ${variable}.`] : [];
  });
}

function sizeFaults({ Resources, ...rest }: z.infer<typeof Template>): string[] {
  const faults = [];
  const count = Object.keys(Resources).length;
  const bytes = Buffer.byteLength(JSON.stringify({ Resources, ...rest }));
  if (count > MOST_RESOURCES) faults.push(`The template has ${count} resources; a stack takes ${MOST_RESOURCES}.`);
  if (bytes > LARGEST_TEMPLATE_BYTES)
    faults.push(`The template has ${bytes} bytes; CloudFormation takes ${LARGEST_TEMPLATE_BYTES}.`);
  return faults;
}
