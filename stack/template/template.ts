import { type ProfileParts, readFunctions, withheldActions } from '../../resources/functions.ts';
import type { Bundle } from '../bundle/bundle.ts';
import { deliveryFaults } from '../permissions/deliveries.ts';
import { deputyFaults } from '../permissions/deputies.ts';
import { POLICY_ACTIONS } from '../permissions/from-profiles.ts';
import { faultsOfRoles, type Need } from '../permissions/permissions.ts';
import { roleFaults } from '../permissions/roles.ts';
import { stagePatternFaults } from '../permissions/stage-patterns.ts';
import { habitFaults } from './habits.ts';
import { taskFaults } from './machines.ts';
import { metricFaults, stageFaults } from './metrics.ts';
import { ruleFaults } from './rules.ts';
import { attributeFaults, schemaFaults } from './schema.ts';
import { type Fault, type Path, readWritten, render, type Where, type Written } from './source.ts';
import { Template } from './values.ts';

/** CloudFormation's limits for a template that is deployed from a bucket. */
const LARGEST_TEMPLATE_BYTES = 1_000_000;
const MOST_RESOURCES = 500;

/** What the roles are compared with. */
export interface Code {
  readonly bundles: readonly Bundle[];
  /** What all the profiles need. */
  readonly needs: readonly Need[];
  /** What the profiles make. */
  readonly parts: ProfileParts;
}

/**
 * Proves as much of a packaged template as can be proved without an account: that CloudFormation would take it, and that
 * what is made of it would do what it is for.
 * @param root the folder of serverless.yml
 * @param written left out: read from root
 * @returns one sentence for each fault: file, line where it was written, and what to do
 */
export async function faultsOfStack(
  input: unknown,
  root: string,
  { stage = 'dev', code, written = readWritten(root) }: { stage?: string; code?: Code; written?: Written } = {},
): Promise<string[]> {
  const { where } = written;
  const nulls = nullFaults(input);
  if (nulls.length > 0) return render(nulls, where);
  const template = Template.parse(input);
  const first = [...faultsOfTemplate(input, where), ...render(await schemaFaults(template), where)];
  // What is not there, or is no resource at all, cannot be asked for its permissions.
  if (first.length > 0) return first;
  const faults = [
    ...(await attributeFaults(template)),
    ...habitFaults(template),
    ...deliveryFaults(template),
    ...roleFaults(template),
    ...deputyFaults(template),
    ...stagePatternFaults(template, stage),
    ...(code
      ? faultsOfRoles(
          template,
          code.bundles,
          code.needs,
          withheldActions(readFunctions(root).table, code.parts, POLICY_ACTIONS),
        )
      : []),
    ...taskFaults(template),
    ...metricFaults(template),
    ...stageFaults(template, Template.parse({ Resources: written.resources })),
    ...ruleFaults(template, root, stage),
  ];
  return render(faults, where);
}

/**
 * Holds a CloudFormation template against itself: what it refers to is there, nothing goes in a circle, nothing of the
 * Serverless Framework's own language is left in it.
 * @returns one sentence for each fault
 */
export function faultsOfTemplate(input: unknown, where: Where = () => undefined): string[] {
  const nulls = nullFaults(input);
  if (nulls.length > 0) return render(nulls, where);
  const template = Template.parse(input);
  const { Resources, Parameters, Conditions, Outputs } = template;
  const known = new Set([...Object.keys(Resources), ...Object.keys(Parameters)]);
  const references = new Map(Object.entries(Resources).map(([name, body]) => [name, referencesOf(body)]));
  for (const [section, bodies] of Object.entries({ Outputs, Conditions }))
    for (const [name, body] of Object.entries(bodies)) references.set(`${section}.${name}`, referencesOf(body));
  const dangling = [...references].flatMap(([name, targets]) =>
    targets
      .filter((target) => !known.has(target))
      .map((target) => ({
        at: name.includes('.') ? name.split('.') : ['Resources', name],
        says: `${name} refers to ${target}, which is not there: correct the name, or add the resource.`,
      })),
  );
  const undecided = Object.entries(Resources).flatMap(([name, body]) =>
    conditionsOf(body)
      .filter((condition) => !Object.hasOwn(Conditions, condition))
      .map((condition) => ({
        at: ['Resources', name],
        says: `${name} depends on the condition ${condition}, which is not there: correct the name, or add the condition.`,
      })),
  );
  return render(
    [...dangling, ...undecided, ...circles(references), ...leftovers(Resources), ...sizeFaults(template)],
    where,
  );
}

/** The schemas of the types know nothing of it, for JSON that a service takes may have a null; a template may not. */
function nullFaults(value: unknown, at: Path = []): Fault[] {
  if (value === null) {
    const [section, name = section, ...below] = at;
    const place = below.length > 0 ? ` in ${below.join('.')}` : '';
    const says = `${name} says null${place}, and CloudFormation takes no null: give it a value, or remove it.`;
    return [{ at, says }];
  }
  if (typeof value !== 'object') return [];
  return Object.entries(value).flatMap(([key, below]) => nullFaults(below, [...at, key]));
}

/** The conditions that a resource, or a part of it, depends on. */
function conditionsOf({ Condition, Properties }: Template['Resources'][string]): string[] {
  const asked = [...JSON.stringify(Properties).matchAll(/"Fn::If":\["(\w+)"/g)].map(([, name = '']) => name);
  return [...new Set([...(Condition ? [Condition] : []), ...asked])];
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

function circles(references: ReadonlyMap<string, readonly string[]>): Fault[] {
  const done = new Set<string>();
  const visit = (name: string, path: readonly string[]): Fault[] => {
    if (path.includes(name)) {
      const circle = [...path.slice(path.indexOf(name)), name].join(' -> ');
      return [{ at: ['Resources', name], says: `${circle} is a circle: write one of these references out.` }];
    }
    if (done.has(name)) return [];
    const found = (references.get(name) ?? []).flatMap((target) => visit(target, [...path, name]));
    done.add(name);
    return found;
  };
  return [...references.keys()].flatMap((name) => visit(name, []));
}

function leftovers(resources: Record<string, unknown>): Fault[] {
  return Object.entries(resources).flatMap(([name, body]) => {
    const [variable] = /\$\{(self|sls|opt|env|file|param|cf|ssm|aws)[:(][^}]*\}/.exec(JSON.stringify(body)) ?? [];
    return variable
      ? [{ at: ['Resources', name], says: `${name} still says ${variable}: nothing has put a value there.` }]
      : [];
  });
}

function sizeFaults(template: Template): Fault[] {
  const count = Object.keys(template.Resources).length;
  const bytes = Buffer.byteLength(JSON.stringify(template));
  return [
    ...(count > MOST_RESOURCES ? [`The template has ${count} resources; a stack takes ${MOST_RESOURCES}.`] : []),
    ...(bytes > LARGEST_TEMPLATE_BYTES
      ? [`The template has ${bytes} bytes; CloudFormation takes ${LARGEST_TEMPLATE_BYTES}.`]
      : []),
  ].map((says) => ({ at: [], says }));
}
