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
    ['a: *b', 'a.yml:1: there is no anchor &b before *b: set it, or correct the name.'],
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

describe('a YAML file that says something else than it seems to', () => {
  const bomb = ['a: &a [x, x, x, x, x, x, x, x, x]']
    .concat('bcdefghi'.split('').map((name, nth) => `${name}: &${name} [${`*${'abcdefgh'[nth]}, `.repeat(9)}]`))
    .join('\n');

  it.each([
    ['a: 1\ntags: { __proto__: x }', 'a.yml:2: "__proto__" cannot be a key: rename it.'],
    ['tags:\n  a: b\n  constructor: x', 'a.yml:3: "constructor" cannot be a key: rename it.'],
    ['tags:\n  prototype: { a: b }', 'a.yml:2: "prototype" cannot be a key: rename it.'],
    ['x: &x\n  "__proto__": { k: 1 }\na:\n  <<: *x', 'a.yml:2: "__proto__" cannot be a key: rename it.'],
    ['a: &a [*a]', 'a.yml:1: &a contains itself through *a: write out what is meant.'],
    ['x: 1\ny: &m\n  a: 1\n  b: [{ c: *m }]', 'a.yml:4: &m contains itself through *m: write out what is meant.'],
    ['a: &a\n  <<: *a\n  b: 1', 'a.yml:2: &a contains itself through *a: write out what is meant.'],
    ['a:\n  <<: 3\n  b: 1', 'a.yml:2: << merges maps only: give it an alias of a map, or a list of them.'],
    ['a:\n  <<: null', 'a.yml:2: << merges maps only: give it an alias of a map, or a list of them.'],
    [
      'x: &x { p: 1 }\na:\n  <<: [*x, 5]',
      'a.yml:3: << merges maps only: give it an alias of a map, or a list of them.',
    ],
    ['x: &x [1]\na:\n  <<: *x', 'a.yml:3: << merges maps only: give it an alias of a map, or a list of them.'],
    ['? [1, 2]\n: x', 'a.yml:1: a key must be a string, not a list: correct it.'],
    ['? { a: 1 }\n: x', 'a.yml:1: a key must be a string, not a map: correct it.'],
    ['x: &x a\n*x : b', 'a.yml:2: a key must be a string, not an alias: correct it.'],
    ['tags: { 1: x, "1": y }', 'a.yml:1: a key must be a string: write "1", in quotes.'],
    ['tags:\n  true: x', 'a.yml:2: a key must be a string: write "true", in quotes.'],
    ['tags:\n  null: x', 'a.yml:2: a key must be a string: write "null", in quotes.'],
    [': x', 'a.yml:1: a key is missing: write one before the colon.'],
    [bomb, 'a.yml:9: too many aliases of aliases: write out what is meant.'],
    [`a: &a x\nb: [${'*a, '.repeat(300)}]`, 'a.yml:2: too many aliases of aliases: write out what is meant.'],
    [`${'['.repeat(200)}${']'.repeat(200)}`, 'a.yml:1: nested deeper than 100 levels: write it flatter.'],
    [`${'['.repeat(20_000)}${']'.repeat(20_000)}`, 'a.yml:1: nested deeper than 100 levels: write it flatter.'],
    ['a: 1\nb: !secret x', 'a.yml:2: the tag !secret has no meaning here: remove it.'],
    ['a: !!set { b, c }', 'a.yml:1: the tag !!set has no meaning here: remove it.'],
    ['a: !!binary SGk=', 'a.yml:1: the tag !!binary has no meaning here: remove it.'],
    ['a: 1\n---\nb: 2', 'a.yml:2: not YAML (Source contains multiple documents'],
  ])('is refused in one sentence, with its line: %j', (text, sentence) => {
    const content = () => open(text).content();
    expect(content).toThrow(InvalidRequest);
    expect(content).toThrow(sentence);
    expect(() => content()).not.toThrow(/\n/);
  });

  it('is read where anchors, aliases and merge keys are plain', () => {
    const text = 'x: &x { p: 1 }\ny: &y { q: 2 }\na:\n  <<: [*x, *y]\n  r: 3\nb: { <<: { s: 4 } }\nc: *x\n';
    expect(open(text).content()).toMatchObject({ a: { p: 1, q: 2, r: 3 }, b: { s: 4 }, c: { p: 1 } });
  });
});
