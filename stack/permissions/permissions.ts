import type { Bundle } from '../bundle/bundle.ts';
import type { Fault, Path } from '../template/source.ts';
import { ofType, resolved, type Template } from '../template/values.ts';
import { OTHER_ACTIONS, PLATFORM_ACTIONS, PREFIXES, SENT_BY_HAND } from './iam.ts';
import { type PlacedStatement, roleOf, type Statement, statementsOf } from './policy.ts';
import { widthFaults } from './width.ts';

/** What the profiles need that a function can do: to which ARN, and where that is written. */
export interface Need {
  readonly function: string;
  /** `secretsmanager:GetSecretValue`, or all of a service: `opsworks:*`. */
  readonly action: string;
  readonly resource: string;
  /** `profiles.yml:12: the profile web names the caSecret puppet/ca`. */
  readonly sentence: string;
}

/**
 * The actions of the commands that are left in a bundle after tree shaking, and of what is sent without a client: what
 * its code can send, and no more. The clients have one file for each command.
 */
export function actionsOf({ inputs }: Pick<Bundle, 'inputs'>): string[] {
  const actions = Object.keys(inputs).flatMap((file) => {
    const [, client = '', command] = COMMAND.exec(file) ?? [];
    if (!command) return SENT_BY_HAND[file] ?? [];
    const action = `${prefixOf(client)}:${command}`;
    return OTHER_ACTIONS[action] ?? [action];
  });
  return [...new Set(actions)].sort();
}

const COMMAND = /@aws-sdk\/(client-[a-z0-9-]+)\/dist-es\/commands\/(\w+)Command\.js$/;

/** @returns one sentence for each client that a function carries and never calls */
export function faultsOfClients(bundles: readonly Bundle[]): string[] {
  return bundles.flatMap((bundle) => {
    const files = Object.keys(bundle.inputs);
    const clients = files.flatMap((file) => /@aws-sdk\/(client-[a-z0-9-]+)\//.exec(file)?.[1] ?? []);
    const called = actionsOf(bundle).map((action) => action.split(':', 1)[0]);
    const idle = [...new Set(clients)].filter((client) => !called.includes(prefixOf(client)));
    return idle.map(
      (client) =>
        `functions/${bundle.name}.ts:1: it carries @aws-sdk/${client} and calls nothing of it: import from a module without it.`,
    );
  });
}

/** A function of the template with its bundle and its role. */
interface Permitted {
  readonly bundle: Bundle;
  /** As it is deployed: `muster-dev-finish-launch`. */
  readonly functionName: string;
  /** The role's logical name. */
  readonly role: string;
}

/**
 * Compares what functions can send with what their roles allow: nothing missing, nothing more, and nothing wider.
 * @param needs what all the profiles need
 * @param withheld by function: what it can send and no profile asks for, so that its role need not allow it
 */
export function faultsOfRoles(
  template: Template,
  bundles: readonly Bundle[],
  needs: readonly Need[],
  withheld: Readonly<Record<string, readonly string[]>> = {},
): Fault[] {
  const deployed = ofType(template, 'AWS::Lambda::Function').map(([, { Properties }]) => Properties);
  const all = bundles.map((bundle) => {
    const own = deployed.find(({ Handler }) => Handler === `build/functions/${bundle.name}/index.handler`);
    const role = roleOf(own?.Role, template);
    return role === undefined ? bundle : { bundle, role, functionName: String(resolved(own?.FunctionName, template)) };
  });
  return all.flatMap((one) => {
    if ('role' in one) return roleFaults(one, template, all, needs, withheld[one.bundle.name] ?? []);
    const says = `functions/${one.name}.ts has no role in the template: give it an entry in resources/functions.yml.`;
    return [{ at: [], says }];
  });
}

function roleFaults(
  permitted: Permitted,
  template: Template,
  all: readonly (Permitted | Bundle)[],
  needs: readonly Need[],
  withheld: readonly string[],
): Fault[] {
  const { bundle, role, functionName } = permitted;
  const at = ['Resources', role, 'Properties'];
  const fault = (says: string, below: Path = []) => {
    return { at: [...at, ...below], says: `${role}, for functions/${bundle.name}.ts, ${says}.` };
  };
  const statements = statementsOf(template.Resources[role]?.Properties);
  if (!Array.isArray(statements)) return [fault(statements)];
  const own = needs.filter((need) => need.function === bundle.name);
  const unmet = own.filter((need) => !statements.some((statement) => meets(statement, need)));
  const faults = [
    ...sharing(permitted, all).map((says) => fault(says)),
    ...missing(bundle, statements, withheld).map((says) => fault(says, ['Policies', 0, 'PolicyDocument'])),
    ...statements.flatMap((statement) =>
      [...more(bundle, statement), ...widthFaults(statement, functionName), ...unasked(statement, own)].map((says) =>
        fault(says, statement.at),
      ),
    ),
    ...unmet.map(({ sentence }) => ({
      at: [],
      says: `${sentence}, which ${role} does not allow: add it to its grants in resources/functions.yml.`,
    })),
  ];
  return [...new Map(faults.map((one) => [one.says, one])).values()];
}

function prefixOf(client: string): string {
  const prefix = PREFIXES[client];
  if (prefix) return prefix;
  throw new Error(
    `stack/permissions/iam.ts does not say what IAM calls the service of @aws-sdk/${client}: add it to PREFIXES.`,
  );
}

function sharing({ role, bundle }: Permitted, all: readonly (Permitted | Bundle)[]): string[] {
  return all.flatMap((other) =>
    'role' in other && other.role === role && other.bundle !== bundle
      ? [`is the role of functions/${other.bundle.name}.ts too: give each a role of its own`]
      : [],
  );
}

function missing(bundle: Bundle, statements: readonly PlacedStatement[], withheld: readonly string[]): string[] {
  const allowed = new Set(statements.filter(({ Effect }) => Effect === 'Allow').flatMap(({ Action }) => Action));
  const lacking = actionsOf(bundle).filter((action) => !allowed.has(action) && !withheld.includes(action));
  return lacking.map((action) => `lacks ${action}, which ${bundle.name} can send: allow it`);
}

function more(bundle: Bundle, { Effect, Action }: Statement): string[] {
  if (Effect === 'Deny') return [];
  const sent = actionsOf(bundle);
  const idle = Action.filter((action) => !sent.includes(action) && !Object.hasOwn(PLATFORM_ACTIONS, action));
  return idle.map((action) => `allows ${action}, which ${bundle.name} never sends: remove it`);
}

/** What may be allowed only where a profile asks for it. */
const ASKED_FOR = /^(secretsmanager|opsworks|opsworks-cm):|^lightsail:Update|^autoscaling:(Complete|Record)/;

/** Secrets, stacks, servers, groups and instances that a statement allows, and no profile asks for. */
function unasked({ Effect, Action, Resource }: Statement, needs: readonly Need[]): string[] {
  if (Effect === 'Deny') return [];
  return Action.filter((action) => ASKED_FOR.test(action)).flatMap((action) =>
    Resource.filter((resource) => !needs.some((need) => need.resource === resource && isFor(need, action))).map(
      (resource) => `allows ${action} on ${resource}, which no profile asks for: remove it`,
    ),
  );
}

function meets({ Effect, Action, Resource }: Statement, need: Need): boolean {
  return Effect === 'Allow' && Action.some((action) => isFor(need, action)) && Resource.includes(need.resource);
}

function isFor(need: Need, action: string): boolean {
  return need.action.endsWith(':*') ? action.startsWith(need.action.slice(0, -1)) : action === need.action;
}
