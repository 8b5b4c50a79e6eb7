/** The stack's resources, as the local world creates them: CloudFormation's references and names resolved for it. */
import * as z from 'zod';
import { ACCOUNT_ID, REGION } from '../world/kernel/account.ts';
import type { CommandDocument } from '../world/services/ssm/documents.ts';

export type Template = Readonly<Record<string, { Type: string; Properties: Record<string, unknown> }>>;

/** A table as CreateTable takes it. */
export type DeployedTable = z.infer<typeof Table> & { readonly TableName: string };

export interface DeployedDocument {
  readonly logicalId: string;
  readonly name: string;
  /** The parameters it declares, each with the pattern that a value must match. */
  readonly parameters: CommandDocument['parameters'];
}

export interface DeployedResources {
  readonly ledger: DeployedTable;
  readonly reportsBucket: string;
  readonly documents: readonly DeployedDocument[];
  /** The environment variables of every function, by name. */
  readonly variables: Readonly<Record<string, string>>;
}

const Attribute = z.object({ AttributeName: z.string(), AttributeType: z.enum(['S', 'N', 'B']) });
const Key = z.object({ AttributeName: z.string(), KeyType: z.enum(['HASH', 'RANGE']) });
const Index = z.object({
  IndexName: z.string(),
  KeySchema: z.array(Key),
  Projection: z.object({
    ProjectionType: z.enum(['ALL', 'KEYS_ONLY', 'INCLUDE']),
    NonKeyAttributes: z.array(z.string()).optional(),
  }),
});
const Table = z.object({
  BillingMode: z.enum(['PAY_PER_REQUEST']),
  AttributeDefinitions: z.array(Attribute),
  KeySchema: z.array(Key),
  GlobalSecondaryIndexes: z.array(Index).optional(),
});
const Document = z.object({
  Content: z.object({
    parameters: z.record(
      z.string(),
      z.object({ allowedPattern: z.string().optional(), default: z.string().optional() }),
    ),
  }),
});

/** The property that holds a resource's physical name, by its type. */
const NAME_PROPERTIES: Readonly<Record<string, string>> = {
  'AWS::DynamoDB::Table': 'TableName',
  'AWS::S3::Bucket': 'BucketName',
  'AWS::SSM::Document': 'Name',
};

/**
 * @param stack names the stack: CloudFormation begins the names with it that it makes up
 * @param environment `provider.environment` of serverless.yml
 * @throws Error naming the resource or the variable that cannot be resolved
 */
export function resolveResources(
  stack: string,
  template: Template,
  environment: Readonly<Record<string, unknown>>,
): DeployedResources {
  const nameOf = (logicalId: string) => physicalName(stack, template, logicalId);
  const [ledgerId] = only(template, 'AWS::DynamoDB::Table');
  const [bucketId] = only(template, 'AWS::S3::Bucket');
  return {
    ledger: { TableName: nameOf(ledgerId), ...Table.parse(template[ledgerId]?.Properties) },
    reportsBucket: nameOf(bucketId),
    documents: idsOf(template, 'AWS::SSM::Document').map((logicalId) => ({
      logicalId,
      name: nameOf(logicalId),
      parameters: Document.parse(template[logicalId]?.Properties).Content.parameters,
    })),
    variables: Object.fromEntries(
      Object.entries(environment).map(([variable, value]) => [variable, resolved(value, nameOf, variable)]),
    ),
  };
}

function idsOf(template: Template, type: string): string[] {
  return Object.keys(template).filter((logicalId) => template[logicalId]?.Type === type);
}

/** The only resource of a type: the local world has no way to tell several apart. */
function only(template: Template, type: string): [string] {
  const [logicalId, ...others] = idsOf(template, type);
  if (logicalId !== undefined && others.length === 0) return [logicalId];
  throw new Error(`The local world needs exactly one ${type} in resources/, and there are ${others.length + 1}.`);
}

function physicalName(stack: string, template: Template, logicalId: string): string {
  const resource = template[logicalId];
  if (!resource) throw new Error(`There is no resource ${logicalId} in resources/, and it is referred to.`);
  const name = resource.Properties[NAME_PROPERTIES[resource.Type] ?? ''];
  return typeof name === 'string' ? name : `${stack}-${logicalId.toLowerCase()}`;
}

const Reference = z.strictObject({ Ref: z.string() });
const Substitution = z.strictObject({ 'Fn::Sub': z.string() });

const PSEUDO_PARAMETERS: Readonly<Record<string, string>> = {
  'AWS::Partition': 'aws',
  'AWS::Region': REGION,
  'AWS::AccountId': ACCOUNT_ID,
};

/** A literal, a `Ref` or an `Fn::Sub`: no variable of ours uses anything else. */
function resolved(value: unknown, nameOf: (logicalId: string) => string, variable: string): string {
  if (typeof value === 'string') return value;
  const reference = Reference.safeParse(value).data;
  if (reference) return nameOf(reference.Ref);
  const text = Substitution.safeParse(value).data?.['Fn::Sub'];
  if (text === undefined)
    throw new Error(
      `provider.environment.${variable} is neither a text nor Ref nor Fn::Sub: resolve it in local/resources.ts.`,
    );
  return text.replace(/\$\{([\w:]+)(?:\.(\w+))?\}/g, (_whole, id: string, attribute?: string) => {
    if (attribute === undefined) return PSEUDO_PARAMETERS[id] ?? nameOf(id);
    if (attribute === 'RegionalDomainName') return `${nameOf(id)}.s3.${REGION}.amazonaws.com`;
    throw new Error(`provider.environment.${variable} uses ${id}.${attribute}: resolve it in local/resources.ts.`);
  });
}
