import type { Bundle } from '../bundle/bundle.ts';
import { OTHER_ACTIONS, PLATFORM_ACTIONS, PREFIXES, SENT_BY_HAND } from './iam.ts';
import { type Fault, faultsOfStatement, type Statement, statementsOf } from './policies.ts';

/** A function with the role that it is given. */
export interface Permitted {
  readonly bundle: Bundle;
  /** As it is deployed: `muster-${sls:stage}-finish-launch`. */
  readonly functionName: string;
  /** The role's logical name. */
  readonly role: string;
  /** Where it is written, or a part of it: `resources/roles.yml:7`. */
  readonly where: (part?: string) => string;
  /** Its properties, as CloudFormation takes them. */
  readonly properties: unknown;
}

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

/**
 * Holds what functions can send against what their roles allow: nothing missing, nothing more, and nothing wider.
 * @param needs what all the profiles need
 * @returns one sentence for each fault: file, line, function and what to do
 */
export function faultsOfRoles(all: readonly Permitted[], needs: readonly Need[]): string[] {
  return all.flatMap((permitted) => {
    const { bundle, role, where, properties, functionName } = permitted;
    const told = ({ part, fault }: Fault) => `${where(part)}: ${role}, for functions/${bundle.name}.ts, ${fault}.`;
    const statements = statementsOf(properties);
    if (!Array.isArray(statements)) return [told(statements)];
    const own = needs.filter((need) => need.function === bundle.name);
    const unmet = own.filter((need) => !statements.some((statement) => meets(statement, need)));
    const faults = [
      ...sharing(permitted, all),
      ...differences(bundle, statements),
      ...statements.flatMap((statement) => faultsOfStatement(statement, functionName)),
      ...statements.flatMap((statement) => unasked(statement, own)),
    ];
    return [
      ...new Set(faults.map(told)),
      ...unmet.map(({ sentence }) => `${sentence}, which ${role} (${where()}) does not allow: add it there.`),
    ];
  });
}

function prefixOf(client: string): string {
  const prefix = PREFIXES[client];
  if (prefix) return prefix;
  throw new Error(
    `stack/permissions/iam.ts does not say what IAM calls the service of @aws-sdk/${client}: add it to PREFIXES.`,
  );
}

function sharing({ role, bundle }: Permitted, all: readonly Permitted[]): Fault[] {
  const others = all.filter((other) => other.role === role && other.bundle !== bundle).map(({ bundle }) => bundle.name);
  return others.map((other) => ({ fault: `is the role of functions/${other}.ts too: give each a role of its own` }));
}

function differences({ name, inputs }: Bundle, statements: readonly Statement[]): Fault[] {
  const sent = actionsOf({ inputs });
  const allowed = new Set(statements.filter(({ Effect }) => Effect === 'Allow').flatMap(({ Action }) => Action));
  const missing = sent.filter((action) => !allowed.has(action));
  const more = [...allowed].filter((action) => !sent.includes(action) && !Object.hasOwn(PLATFORM_ACTIONS, action));
  return [
    ...missing.map((action) => ({ fault: `lacks ${action}, which ${name} can send: allow it` })),
    ...more.map((part) => ({ part, fault: `allows ${part}, which ${name} never sends: remove it` })),
  ];
}

/** Secrets and stacks that a statement allows, and no profile names. */
function unasked({ Effect, Action, Resource }: Statement, needs: readonly Need[]): Fault[] {
  if (Effect === 'Deny') return [];
  return Action.filter((action) => /^(secretsmanager|opsworks):/.test(action)).flatMap((part) =>
    Resource.filter((resource) => !/:(secret|stack)[:/]none\//.test(resource))
      .filter((resource) => !needs.some((need) => need.resource === resource && isFor(need, part)))
      .map((resource) => ({ part, fault: `allows ${part} on ${resource}, which no profile asks for: remove it` })),
  );
}

function meets({ Effect, Action, Resource }: Statement, need: Need): boolean {
  return Effect === 'Allow' && Action.some((action) => isFor(need, action)) && Resource.includes(need.resource);
}

function isFor(need: Need, action: string): boolean {
  return need.action.endsWith(':*') ? action.startsWith(need.action.slice(0, -1)) : action === need.action;
}
