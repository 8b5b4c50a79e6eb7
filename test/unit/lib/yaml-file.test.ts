import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { InvalidRequest } from '../../../lib/errors.ts';
import { openYaml } from '../../../lib/yaml-file.ts';

const file = join(mkdtempSync(join(tmpdir(), 'muster-yaml-')), 'a.yml');
const open = (text: string) => {
  writeFileSync(file, text);
  return openYaml(file, 'a.yml');
};

describe('a part of a YAML file', () => {
  const yaml = open('a:\n  b: &list\n    - c: 1\n    - d: 2\nlike: *list\n');

  it.each<[string, PropertyKey[], number]>([
    ['at its key', ['a', 'b'], 2],
    ['at its item', ['a', 'b', 1, 'd'], 4],
    ['at the anchor, when it is an alias', ['like', 1], 4],
    ['as far as it is written', ['a', 'b', 1, 'e', 'f'], 4],
    ['at the beginning, when nothing of it is', ['x'], 1],
  ])('stands %s', (_where, path, line) => {
    expect(yaml.placeOf(path)).toBe(`a.yml:${line}`);
  });

  it('stands on the first line of an empty file', () => {
    expect(open('').placeOf(['a'])).toBe('a.yml:1');
  });
});

describe('what is no YAML file', () => {
  it.each([
    ['a: [', 'a.yml:1: not YAML (Flow sequence in block collection must be sufficiently indented and end with a ]): '],
    ['a: 1\nb: 2\na: 3\n', 'a.yml:3: not YAML (Map keys must be unique): correct it.'],
    ['a: *b', 'a.yml: not YAML (Unresolved alias (the anchor must be set before the alias): b): correct it.'],
  ])('is refused in one sentence, with its line: %j', (text, sentence) => {
    const content = () => open(text).content();
    expect(content).toThrow(InvalidRequest);
    expect(content).toThrow(sentence);
  });

  it('is refused by its name when it is not there', () => {
    expect(() => openYaml('nowhere.yml')).toThrow(
      new InvalidRequest('nowhere.yml cannot be read (ENOENT): put it there, as a file of text.'),
    );
  });
});
