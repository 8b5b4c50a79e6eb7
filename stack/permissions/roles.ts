import * as z from 'zod';
import type { Fault, Path } from '../template/source.ts';
import { arnOf, ofType, type Resource, resolved, type Template } from '../template/values.ts';
import { DELIVERY_STARS } from './iam.ts';
import {
  actionOn,
  allowsRole,
  nameOf,
  type PlacedStatement,
  permits,
  readDocument,
  roleOf,
  type Statement,
  several,
  statementsOf,
} from './policy.ts';

/** Who takes a role, to do something with it. */
interface Taker {
  readonly at: Path;
  /** `The rule SweepSchedule`. */
  readonly who: string;
  readonly principal: string;
  /** Its own ARN, which a trust policy may ask for. */
  readonly source: string;
  /** The role's logical name; undefined where it is none of the template's. */
  readonly role: string | undefined;
  /** What it must be allowed to do, and no more; undefined for functions, whose code is asked (stack/permissions/permissions.ts). */
  readonly needs: readonly Need[] | undefined;
}

interface Need {
  readonly action: string;
  readonly target: string;
}

/**
 * Checks every role from both sides: each resource that is given it can assume it and has what it needs, no one else can
 * assume it, and nothing is allowed that none of them needs.
 */
export function roleFaults(template: Template): Fault[] {
  const takers = [...ruleTakers(template), ...machineTakers(template), ...functionTakers(template)];
  const homeless = takers
    .filter(({ role }) => role === undefined)
    .map(({ at, who }) => {
      return { at, says: `${who} takes a role that is not in the template: add it, and name it by Fn::GetAtt.` };
    });
  if (homeless.length > 0) return homeless;
  return [
    ...takers.flatMap((taker) => takerFaults(taker, template)),
    ...ofType(template, 'AWS::IAM::Role').flatMap(([name, role]) => {
      const own = takers.filter((taker) => taker.role === name);
      if (own.length === 0)
        return [
          { at: ['Resources', name], says: `${name} is no function's role: remove it, or give it to a function.` },
        ];
      return [
        ...trustFaults(name, role, own, template),
        ...widthFaults(name, role, own, template),
        ...sizeFaults(name, role, template),
      ];
    }),
  ];
}

function ruleTakers(template: Template): Taker[] {
  const Rule = z.looseObject({ Targets: z.array(z.looseObject({ RoleArn: z.unknown().optional() })).default([]) });
  return ofType(template, 'AWS::Events::Rule').flatMap(([name, { Properties }]) =>
    Rule.parse(Properties).Targets.flatMap(({ Arn, RoleArn }, index) => {
      if (RoleArn === undefined) return [];
      const target = String(resolved(Arn, template));
      return {
        at: ['Resources', name, 'Properties', 'Targets', index, 'RoleArn'],
        who: `The rule ${name}`,
        principal: 'events.amazonaws.com',
        source: arnOf(name, template),
        role: roleOf(RoleArn, template),
        needs: [{ action: actionOn(target), target }],
      };
    }),
  );
}

/** A state machine runs the functions that it is given, and tells its log and its traces. */
function machineTakers(template: Template): Taker[] {
  return ofType(template, 'AWS::StepFunctions::StateMachine').map(([name, { Properties }]) => {
    const given = Object.values(z.record(z.string(), z.unknown()).parse(Properties.DefinitionSubstitutions ?? {}));
    const functions = given.map((reference) => String(resolved(reference, template)));
    return {
      at: ['Resources', name, 'Properties', 'RoleArn'],
      who: `The state machine ${name}`,
      principal: 'states.amazonaws.com',
      source: arnOf(name, template),
      role: roleOf(Properties.RoleArn, template),
      needs: [
        ...functions
          .filter((arn) => arn.includes(':lambda:'))
          .map((target) => ({ action: 'lambda:InvokeFunction', target })),
        ...(Properties.LoggingConfiguration ? [{ action: 'logs:CreateLogDelivery', target: '*' }] : []),
        ...(Properties.TracingConfiguration ? [{ action: 'xray:PutTraceSegments', target: '*' }] : []),
      ],
    };
  });
}

function functionTakers(template: Template): Taker[] {
  return ofType(template, 'AWS::Lambda::Function').map(([name, { Properties }]) => ({
    at: ['Resources', name, 'Properties', 'Role'],
    who: `The function ${name}`,
    principal: 'lambda.amazonaws.com',
    source: arnOf(name, template),
    role: roleOf(Properties.Role, template),
    needs: undefined,
  }));
}

function takerFaults({ at, who, principal, source, role, needs = [] }: Taker, template: Template): Fault[] {
  const body = role && template.Resources[role];
  if (!body)
    return [{ at, says: `${who} takes a role that is not in the template: add it, and name it by Fn::GetAtt.` }];
  const deed = { principal, source, action: 'sts:AssumeRole', target: '*' };
  const isTrusted = trustOf(body, template).some((statement) => permits({ ...statement, Resource: ['*'] }, deed));
  const untrusted = {
    at: ['Resources', role, 'Properties', 'AssumeRolePolicyDocument'],
    says: `${who} cannot take ${role}: let its AssumeRolePolicyDocument allow ${principal} sts:AssumeRole, under no condition that it does not meet.`,
  };
  const refused = needs.filter(({ action, target }) => !allowsRole(body, action, target, template));
  return [
    ...(isTrusted ? [] : [untrusted]),
    ...refused.map(({ action, target }) => ({
      at: ['Resources', role],
      says: `${who} may not ${action} on ${nameOf(target, template)}: allow it in ${role}.`,
    })),
  ];
}

function trustOf({ Properties }: Resource, template: Template): Statement[] {
  return readDocument(resolved(Properties.AssumeRolePolicyDocument, template));
}

/** A principal that may assume a role may do what it allows. */
function trustFaults(name: string, role: Resource, takers: readonly Taker[], template: Template): Fault[] {
  const wanted = takers.map(({ principal }) => principal);
  const Principals = z.union([
    several,
    z.record(z.string(), several).transform((kinds) => Object.values(kinds).flat()),
  ]);
  const trusted = trustOf(role, template).flatMap(({ Effect, Principal }) =>
    Effect === 'Allow' ? (Principals.safeParse(Principal).data ?? ['everyone outside its NotPrincipal']) : [],
  );
  return trusted
    .filter((principal) => !wanted.includes(principal))
    .map((principal) => ({
      at: ['Resources', name, 'Properties', 'AssumeRolePolicyDocument'],
      says: `${name} may be taken by ${principal}, which has no use for it: remove it there.`,
    }));
}

function widthFaults(name: string, { Properties }: Resource, takers: readonly Taker[], template: Template): Fault[] {
  const needs = takers.flatMap((taker) => taker.needs ?? []);
  if (takers.some((taker) => taker.needs === undefined)) return [];
  const isDelivered = takers.some(({ principal }) => principal === 'states.amazonaws.com');
  const at = ['Resources', name, 'Properties'];
  const statements = statementsOf(resolved(Properties, template));
  if (!Array.isArray(statements)) return [{ at, says: `${name} ${statements}.` }];
  return statements.flatMap(allowedBy).flatMap(({ action, target, at: below }) => {
    if (needs.some((need) => need.action === action && need.target === target)) return [];
    if (target === '*' && isDelivered && Object.hasOwn(DELIVERY_STARS, action)) return [];
    const says =
      target === '*'
        ? `${name} allows ${action} on "*": name the resource, or a reason in DELIVERY_STARS of stack/permissions/iam.ts.`
        : `${name} allows ${action} on ${nameOf(target, template)}, which ${takers[0]?.who.replace('The', 'the')} does not need: remove it, or name no more than it needs.`;
    return [{ at: [...at, ...below], says }];
  });
}

/** Each action with each resource that a statement allows it on, and where. */
function allowedBy({ at, Effect, Action, Resource: targets }: PlacedStatement): (Need & { at: Path })[] {
  if (Effect !== 'Allow') return [];
  return Action.flatMap((action) => targets.map((target, nth) => ({ action, target, at: [...at, 'Resource', nth] })));
}

/** All of a role's inline policies together, without white space. Source: IAM and STS quotas. */
const MOST_CHARACTERS = 10_240;

/** IAM refuses a role with larger policies: profiles that name many groups or secrets make some of them grow. */
function sizeFaults(name: string, { Properties }: Resource, template: Template): Fault[] {
  const { Policies = [] } = resolved(Properties, template) as { Policies?: { PolicyDocument: unknown }[] };
  const sizes = Policies.map(({ PolicyDocument }) => JSON.stringify(PolicyDocument).replace(/\s/g, '').length);
  const characters = sizes.reduce((sum, size) => sum + size, 0);
  if (characters <= MOST_CHARACTERS) return [];
  const says = `${name} has policies of ${characters} characters, and IAM takes ${MOST_CHARACTERS}: let the profiles name fewer groups, tags, secrets or stacks, one pattern for several groups for example.`;
  return [{ at: ['Resources', name, 'Properties', 'Policies'], says }];
}
