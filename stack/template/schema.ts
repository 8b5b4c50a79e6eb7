import { createRequire } from 'node:module';
import type { loadAwsServiceSpec } from '@aws-cdk/aws-service-spec';
import type { Property, PropertyType, Resource as Schema } from '@aws-cdk/service-spec-types';
import type { Fault, Path } from './source.ts';
import type { Resource, Template } from './values.ts';

type Database = Awaited<ReturnType<typeof loadAwsServiceSpec>>;

// It is CommonJS, whose exports Node does not see.
const { loadAwsServiceSpec: load }: { loadAwsServiceSpec: typeof loadAwsServiceSpec } = createRequire(import.meta.url)(
  '@aws-cdk/aws-service-spec',
);

let loading: Promise<Database> | undefined;

/** Once: it takes a second. */
function specification(): Promise<Database> {
  loading ??= load();
  return loading;
}

/** Holds every resource against what CloudFormation knows of its type: properties, their kinds, what must be there. */
export async function schemaFaults(template: Template): Promise<Fault[]> {
  const database = await specification();
  return Object.entries(template.Resources).flatMap(([name, resource]) => {
    const at = ['Resources', name];
    const schema = schemaOf(resource, database);
    if (!schema) {
      const says = `${name} is of the type ${resource.Type}, which CloudFormation does not know: correct it.`;
      return [{ at: [...at, 'Type'], says }];
    }
    return propertyFaults(resource.Properties, schema.properties, [...at, 'Properties'], { name, database });
  });
}

/** @returns one fault for each Fn::GetAtt of an attribute that its resource does not have */
export async function attributeFaults(template: Template): Promise<Fault[]> {
  const database = await specification();
  const known = new Map(
    Object.entries(template.Resources).map(([name, resource]) => [
      name,
      Object.keys(schemaOf(resource, database)?.attributes ?? {}),
    ]),
  );
  return Object.entries(template.Resources).flatMap(([name, { Properties }]) =>
    attributesIn(Properties, ['Resources', name, 'Properties']).flatMap(({ at, target, attribute }) => {
      const attributes = known.get(target);
      if (!attributes || attributes.length === 0 || attributes.includes(attribute)) return [];
      const says = `${name} asks for ${target}.${attribute}, which there is not: ${target} has ${attributes.join(', ')}.`;
      return [{ at, says }];
    }),
  );
}

function schemaOf({ Type }: Resource, database: Database): Schema | undefined {
  return [...database.lookup('resource', 'cloudFormationType', 'equals', Type)][0];
}

function attributesIn(value: unknown, at: Path): { at: Path; target: string; attribute: string }[] {
  if (Array.isArray(value)) return value.flatMap((item, index) => attributesIn(item, [...at, index]));
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, below]) => {
    if (key !== 'Fn::GetAtt') return attributesIn(below, [...at, key]);
    const [target = '', ...path] = Array.isArray(below) ? below.map(String) : String(below).split('.');
    return [{ at, target, attribute: path.join('.') }];
  });
}

interface About {
  readonly name: string;
  readonly database: Database;
}

function propertyFaults(value: object, properties: Record<string, Property>, at: Path, about: About): Fault[] {
  const unknown = Object.keys(value).filter((key) => !Object.hasOwn(properties, key));
  const missing = Object.keys(properties).filter((key) => properties[key]?.required && !Object.hasOwn(value, key));
  return [
    ...unknown.map((key) => ({
      at: [...at, key],
      says: `${about.name} has ${key} in ${at.slice(2).join('.')}, which CloudFormation does not know: remove or correct it.`,
    })),
    ...missing.map((key) => ({
      at,
      says: `${about.name} lacks ${key} in ${at.slice(2).join('.')}: CloudFormation asks for it.`,
    })),
    ...Object.entries(value).flatMap(([key, below]) => {
      const property = properties[key];
      return property
        ? valueFaults(below, [property.type, ...(property.previousTypes ?? [])], [...at, key], about)
        : [];
    }),
  ];
}

/** The value must be of one of the types; the faults are those of the type that it comes nearest to. */
function valueFaults(value: unknown, types: readonly PropertyType[], at: Path, about: About): Fault[] {
  const branches = conditional(value);
  if (branches) return branches.flatMap((branch) => valueFaults(branch, types, at, about));
  if (isIntrinsic(value)) return [];
  const attempts = types.flatMap(flattened).map((type) => faultsOfType(value, type, at, about));
  return attempts.toSorted((a, b) => a.length - b.length)[0] ?? [];
}

function flattened(type: PropertyType): PropertyType[] {
  return type.type === 'union' ? type.types.flatMap(flattened) : [type];
}

function faultsOfType(value: unknown, type: PropertyType, at: Path, about: About): Fault[] {
  const wrong = (kind: string) => [
    {
      at,
      says: `${about.name} has ${JSON.stringify(value)} in ${at.slice(2).join('.')}: CloudFormation takes ${kind}.`,
    },
  ];
  switch (type.type) {
    case 'ref': {
      if (typeof value !== 'object' || value === null || Array.isArray(value)) return wrong('an object');
      const { properties } = about.database.get('typeDefinition', type.reference.$ref);
      return propertyFaults(value, properties, at, about);
    }
    case 'array':
      if (!Array.isArray(value)) return wrong('a list');
      return value.flatMap((item, index) => valueFaults(item, [type.element], [...at, index], about));
    case 'map':
      if (typeof value !== 'object' || value === null || Array.isArray(value)) return wrong('an object');
      return Object.entries(value).flatMap(([key, below]) => valueFaults(below, [type.element], [...at, key], about));
    case 'string':
      if (typeof value === 'object') return wrong('a text');
      return allows(type, value) ? [] : wrong(`one of ${type.allowedValues?.join(', ')}`);
    case 'number':
    case 'integer':
      return Number.isFinite(Number(value)) && typeof value !== 'object' ? [] : wrong('a number');
    case 'boolean':
      return [true, false, 'true', 'false'].some((one) => one === value) ? [] : wrong('true or false');
    default:
      // JSON, tags, dates: whatever is written there is the service's own to check.
      return [];
  }
}

function allows({ allowedValues }: { allowedValues?: string[] }, value: unknown): boolean {
  return !allowedValues || allowedValues.includes(String(value));
}

function isIntrinsic(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const keys = Object.keys(value);
  return keys.length === 1 && /^(Ref|Fn::\w+|Condition)$/.test(keys[0] ?? '');
}

function conditional(value: unknown): unknown[] | undefined {
  if (typeof value !== 'object' || value === null || !('Fn::If' in value)) return undefined;
  const branches = value['Fn::If'];
  return Array.isArray(branches) ? branches.slice(1) : undefined;
}
