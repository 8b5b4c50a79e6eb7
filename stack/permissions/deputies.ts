import * as z from 'zod';
import type { Fault, Path } from '../template/source.ts';
import { ACCOUNT_ID, ofType, resolved, type Template } from '../template/values.ts';
import { readDocument, type Statement, several } from './policy.ts';

/** Services that say for which account and resource they act. Lambda says neither when it assumes a function's role. */
const ACCOUNTABLE = [
  'cloudwatch.amazonaws.com',
  'events.amazonaws.com',
  'scheduler.amazonaws.com',
  'states.amazonaws.com',
];

/**
 * Checks that services act for resources of our own account only: without aws:SourceAccount and aws:SourceArn, anyone's
 * rule or state machine could have the service use our role, topic, queue or function ("confused deputy").
 */
export function deputyFaults(template: Template): Fault[] {
  return documentsOf(template).flatMap(({ name, at, document }) => {
    const open = readDocument(resolved(document, template)).flatMap((statement) => {
      const services = servicesOf(statement).filter((service) => ACCOUNTABLE.includes(service));
      return isBound(statement) ? [] : services;
    });
    return open.map((service) => {
      const says = `${name} lets ${service} act for other accounts: add a condition with StringEquals on aws:SourceAccount and ArnEquals on aws:SourceArn.`;
      return { at, says };
    });
  });
}

function documentsOf(template: Template): { name: string; at: Path; document: unknown }[] {
  const parts = [
    ['AWS::IAM::Role', 'AssumeRolePolicyDocument'],
    ['AWS::SNS::TopicPolicy', 'PolicyDocument'],
    ['AWS::SQS::QueuePolicy', 'PolicyDocument'],
  ] as const;
  const written = parts.flatMap(([type, part]) =>
    ofType(template, type).map(([name, { Properties }]) => {
      return { name, at: ['Resources', name, 'Properties', part], document: Properties[part] };
    }),
  );
  const permissions = ofType(template, 'AWS::Lambda::Permission').map(([name, { Properties }]) => {
    return { name, at: ['Resources', name, 'Properties'], document: { Statement: [statementOf(Properties)] } };
  });
  return [...written, ...permissions];
}

/** Lambda writes this statement of a permission's properties. */
function statementOf({ Action, Principal, SourceAccount, SourceArn }: Record<string, unknown>): unknown {
  return {
    Effect: 'Allow',
    Principal: { Service: Principal },
    Action,
    Condition: {
      ...(SourceAccount !== undefined && { StringEquals: { 'aws:SourceAccount': SourceAccount } }),
      ...(SourceArn !== undefined && { ArnEquals: { 'aws:SourceArn': SourceArn } }),
    },
  };
}

function servicesOf({ Effect, Principal }: Statement): string[] {
  if (Effect === 'Deny') return [];
  return z.looseObject({ Service: several }).safeParse(Principal).data?.Service ?? [];
}

/** An operator that ends in IfExists is also true for a request without the key. */
function isBound({ Condition }: Statement): boolean {
  const { StringEquals = {}, ArnEquals = {}, ArnLike = {} } = Condition;
  const accounts = StringEquals['aws:SourceAccount'] ?? [];
  const sources = [ArnEquals, ArnLike].flatMap((keys) => keys['aws:SourceArn'] ?? []);
  return accounts.join() === ACCOUNT_ID && sources.length > 0 && !sources.includes('*');
}
