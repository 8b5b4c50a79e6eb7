import { readFileSync } from 'node:fs';
import type { ServiceName } from './operations.ts';

/** A reference to a shape, with what this use of it says about the wire. */
export interface Reference {
  readonly shape: string;
  readonly locationName?: string;
  readonly queryName?: string;
}

export interface Shape {
  readonly type:
    | 'structure'
    | 'list'
    | 'map'
    | 'string'
    | 'integer'
    | 'long'
    | 'float'
    | 'double'
    | 'boolean'
    | 'timestamp'
    | 'blob';
  readonly members?: Readonly<Record<string, Reference>>;
  readonly member?: Reference;
  readonly key?: Reference;
  readonly value?: Reference;
  readonly required?: readonly string[];
  /** Of a length (string, list, map) or of a value (number), as the type says. */
  readonly min?: number;
  readonly max?: number;
  /** A Java regular expression that the whole value matches. */
  readonly pattern?: string;
  readonly enum?: readonly string[];
  readonly exception?: boolean;
  readonly error?: { readonly code: string; readonly httpStatusCode: number };
}

/** A trimmed AWS service model: `models/README.md` says where it comes from. */
export interface Model {
  readonly metadata: {
    /** The version and the file of botocore that the model was trimmed from. */
    readonly source: string;
    readonly apiVersion: string;
    readonly protocol: 'json' | 'query' | 'ec2';
    readonly jsonVersion?: string;
    readonly serviceFullName: string;
    readonly targetPrefix?: string;
    readonly xmlNamespace?: string;
  };
  readonly operations: Readonly<Record<string, OperationModel>>;
  readonly shapes: Readonly<Record<string, Shape>>;
}

interface OperationModel {
  readonly input?: string;
  readonly output?: string;
  readonly resultWrapper?: string;
}

const loaded = new Map<ServiceName, Model>();

export function loadModel(service: ServiceName): Model {
  const known = loaded.get(service);
  if (known) return known;
  const model = JSON.parse(readFileSync(new URL(`models/${service}.json`, import.meta.url), 'utf8')) as Model;
  loaded.set(service, model);
  return model;
}

export function shapeOf(model: Model, name: string): Shape {
  const shape = model.shapes[name];
  if (!shape) throw new Error(`The model of ${model.metadata.serviceFullName} has no shape ${name}: trim it anew.`);
  return shape;
}

export function membersOf(shape: Shape): [string, Reference][] {
  return Object.entries(shape.members ?? {});
}
