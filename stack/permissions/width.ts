import { OUTCOME_SOURCE, OUTCOMES } from '../../events/outcomes.ts';
import { isLike } from '../template/values.ts';
import { CONDITIONAL, STARS, WILDCARDS } from './iam.ts';
import type { Statement } from './policy.ts';

/**
 * What a statement allows too widely, each as the rest of a sentence about its role.
 * @param functionName of the function that has the role
 */
export function widthFaults(statement: Statement, functionName: string): string[] {
  if (statement.Effect === 'Deny') return [];
  return [
    ...wildcardFaults(statement),
    ...wideFaults(statement),
    ...secretFaults(statement),
    ...documentFaults(statement),
    ...nameFaults(statement),
    ...conditionFaults(statement, functionName),
    ...eventFaults(statement),
    ...keyFaults(statement),
  ];
}

/** `ssm:*` would allow every action that the service adds later. */
function wildcardFaults({ Action }: Statement): string[] {
  const wild = Action.filter((action) => /[*?]/.test(action));
  return wild.map((action) => `allows the wildcard ${action}: name each action`);
}

function wideFaults({ Action, Resource }: Statement): string[] {
  if (!Resource.includes('*')) return [];
  const unexcused = Action.filter((action) => !Object.hasOwn(STARS, action));
  return unexcused.map(
    (action) => `allows ${action} on "*": name the resource, or a reason in STARS of stack/permissions/iam.ts`,
  );
}

/** Six characters of Secrets Manager's own follow a secret's name. */
function secretFaults({ Action, Resource }: Statement): string[] {
  const part = Action.find((action) => action.startsWith('secretsmanager:'));
  if (!part) return [];
  const wide = Resource.filter((resource) => !/:secret:[^*?]+-\?{6}$/.test(resource));
  return wide.map(
    (resource) => `allows ${part} on ${resource}, which is no one secret: name each, as …:secret:NAME-??????`,
  );
}

/** The condition names the function itself; for another one it would forbid all calls. */
function conditionFaults({ Action, Condition }: Statement, functionName: string): string[] {
  return Action.filter((action) => Object.hasOwn(CONDITIONAL, action)).flatMap((part) => {
    const key = CONDITIONAL[part] ?? '';
    const values = Object.values(Condition).flatMap((test) => test[key] ?? []);
    if (values.length === 0) return [`allows ${part} without a condition on ${key}: add fromOwnCodeOnly: true`];
    const others = values.filter((value) => !value.endsWith(`:function:${functionName}`));
    return others.map((value) => `allows ${part} to ${value}: let ${key} be ${functionName}`);
  });
}

/** A role that may send any document may run any command: AWS-RunShellScript is a document. */
function documentFaults({ Action, Resource }: Statement): string[] {
  const part = 'ssm:SendCommand';
  if (!Action.includes(part)) return [];
  const others = Resource.filter((resource) => isDocument(resource) && !isOurDocument(resource));
  return others.map((resource) => `allows ${part} on ${resource}: name our document`);
}

/** A resource is named in full, but for the part that only its service knows. */
function nameFaults({ Action, Resource, Condition }: Statement): string[] {
  const isTagged = Object.values(Condition).some((test) => Object.keys(test).some((key) => /resourceTag\//i.test(key)));
  return Resource.flatMap((part) => {
    if (part === '*' || !/[*?]/.test(plain(part)) || isLookedAtElsewhere(Action, part)) return [];
    const excuse = WILDCARDS.find(({ arn }) => arn.test(plain(part)));
    const allows = `allows ${Action.join(', ')} on ${part}`;
    if (!excuse)
      return [`${allows}, which is more than one: name it, or give a reason in WILDCARDS of stack/permissions/iam.ts`];
    if (!excuse.isTagged || isTagged) return [];
    return [`${allows}, whatever its tags are: add a condition on a tag (…resourceTag/…)`];
  });
}

/** The documents that are sent, and secrets, whose names end in wildcards always. */
function isLookedAtElsewhere(actions: readonly string[], resource: string): boolean {
  return actions.every((action) =>
    action === 'ssm:SendCommand' ? isDocument(resource) : action.startsWith('secretsmanager:'),
  );
}

/** `service:resource` of an ARN; variables stand as their names, in which no wildcard is one. */
function plain(resource: string): string {
  const text = resource.replace(/\$\{!?([^}]*)\}/g, (_, name: string) => name.replace(/[^\w.]/g, '-'));
  return text.replace(/^arn:[^:*?]+:([^:*?]+):[^:*?]+:[^:*?]+:/, '$1:');
}

function isDocument(resource: string): boolean {
  return /:document\//.test(resource);
}

/** A document of this stack, which CloudFormation names: `…:document/${CollectIdentityDocument}`. */
function isOurDocument(resource: string): boolean {
  return /:document\/\$\{[A-Za-z0-9]+\}$/.test(resource);
}

/** Without both conditions a role could send an event that looks like an AWS partner's or another function's. */
function eventFaults({ Action, Condition }: Statement): string[] {
  if (!Action.includes('events:PutEvents')) return [];
  const { 'events:source': sources = [], 'events:detail-type': types = [] } = Condition.StringEquals ?? {};
  if (sources.join() !== OUTCOME_SOURCE || types.length === 0)
    return ['allows events:PutEvents without conditions on events:source and events:detail-type: add sends: [TYPE]'];
  const unknown = types.filter((type) => !Object.hasOwn(OUTCOMES, type));
  return unknown.map((type) => `sends the event "${type}", which is none of events/outcomes.ts: correct it`);
}

/** Either replaces a whole item, attributes that bind a key among them. */
const REPLACING = ['dynamodb:PutItem', 'dynamodb:DeleteItem', 'dynamodb:BatchWriteItem'];

function keyFaults({ Action, Condition }: Statement): string[] {
  const replacing = Action.filter((action) => REPLACING.includes(action));
  const keys = Condition['ForAllValues:StringLike']?.['dynamodb:LeadingKeys'] ?? [];
  const isNamed = Condition.Null?.['dynamodb:LeadingKeys']?.join() === 'false';
  const ofInstances = keys.filter((key) => ['i-0', 'lightsail/'].some((prefix) => isLike(`${prefix}x`, key)));
  if (isNamed && keys.length > 0 && ofInstances.length === 0) return [];
  return replacing.map((action) => `allows ${action} on items of instances: add keys: [PREFIX/*]`);
}
