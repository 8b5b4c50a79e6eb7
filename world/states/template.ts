import { Fault } from './fault.ts';
import { isArray, isObject, type Json, type JsonObject } from './json.ts';
import { compilePath, MissingPath, type Path, type Scope } from './path.ts';

/** A payload template (Parameters, ResultSelector), checked when the definition was loaded. */
export type Template = (scope: Scope) => Json;

/**
 * @param template an object; a key that ends in `.$` holds a path, everything else is taken as it stands
 * @throws SyntaxError with a sentence for a path that is not understood, and for intrinsic functions
 */
export function compileTemplate(template: Json): Template {
  if (isArray(template)) {
    const items = template.map(compileTemplate);
    return (scope) => items.map((item) => item(scope));
  }
  if (!isObject(template)) return () => template;
  const fields = Object.entries(template).map(([key, value]) => compileField(key, value, template));
  return (scope) => Object.fromEntries(fields.map(([key, read]) => [key, read(scope)]));
}

/**
 * @param field the name of the field that holds the path, for the sentence
 * @throws Fault when the path names nothing, in the service's own words
 */
export function readField(path: Path, field: string, scope: Scope): Json {
  try {
    return path.read(scope);
  } catch (error) {
    if (!(error instanceof MissingPath)) throw error;
    const where = `specified for the field '${field}' could not be found in the input`;
    throw new Fault(`The JSONPath '${path.text}' ${where} '${JSON.stringify(scope.data)}'`);
  }
}

function compileField(key: string, value: Json, siblings: JsonObject): [string, Template] {
  if (!key.endsWith('.$')) return [key, compileTemplate(value)];
  const name = key.slice(0, -2);
  if (Object.hasOwn(siblings, name)) throw new SyntaxError(`'${key}' and '${name}' name the same field.`);
  if (typeof value !== 'string') throw new SyntaxError(`'${key}' must hold a path.`);
  const path = compilePath(value);
  return [name, (scope) => readField(path, key, scope)];
}
