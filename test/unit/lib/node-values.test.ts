import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { traitsOf } from '../../../lib/engines.ts';
import { NODE_VALUES, refusedValue } from '../../../lib/node-values.ts';
import { Associate } from '../../../lib/servers.ts';
import { sized } from '../../support/size.ts';

interface Parameter {
  readonly allowedPattern: string;
}
const { Resources } = parse(readFileSync('resources/documents.yml', 'utf8'));
const patterns = Object.values(Resources as Record<string, { Properties: { Content: object } }>).flatMap(
  ({ Properties: { Content } }) =>
    Object.entries((Content as { parameters: Record<string, Parameter> }).parameters).map(
      ([name, { allowedPattern }]) => [name, allowedPattern] as const,
    ),
);
const patternOf = (name: string) => new Map(patterns).get(name) ?? '';
/** As AWS does: the whole value. */
const documentTakes = (name: string, value: string) => new RegExp(`^(?:${patternOf(name)})$`).test(value);

describe('what a value may be that goes to a node', () => {
  it.each(patterns)('is one text for %s', (name, allowedPattern) => {
    expect(allowedPattern.replaceAll('/', '\\/')).toBe(
      NODE_VALUES[name as keyof typeof NODE_VALUES].source.replaceAll(/(?<!\\)\//g, '\\/'),
    );
  });

  it('is the same in every language, and whether the whole value must match or a part', () => {
    for (const [name, pattern] of patterns) {
      expect(pattern, name).toMatch(/^\^[^|]*\$$|^\^\([a-z|]+\)\$$/);
      expect(pattern, name).not.toMatch(/\\[sSwWdDbB]|\(\?/);
    }
  });

  it('is nothing in which a shell finds something to do between single quotes', () => {
    for (const [, pattern] of patterns)
      fc.assert(
        fc.property(fc.string(), fc.constantFrom("'", '\0', '\u2028', '\ufeff'), fc.string(), (a, bad, b) => {
          expect(new RegExp(pattern).test(`${a}${bad}${b}`)).toBe(false);
        }),
      );
  });
});

/** Names, and texts that are nearly names. */
const odd = fc.constantFrom(
  ' ',
  "'",
  '"',
  '$',
  '~',
  '%20',
  '?',
  '#',
  '@',
  '[',
  '\n',
  '\ufeff',
  '\u00e4',
  '/',
  ':',
  '.',
  '-',
  '_',
);
const word = fc.oneof(
  { weight: 12, arbitrary: fc.stringMatching(/^[a-z][a-z0-9_.-]{0,20}$/) },
  fc.stringMatching(/^[A-Za-z0-9_.:-]{1,20}$/),
  fc.tuple(fc.stringMatching(/^[a-z]{0,5}$/), odd, fc.stringMatching(/^[a-z]{0,5}$/)).map((parts) => parts.join('')),
  fc.constantFrom('a'.repeat(255), 'a'.repeat(256), ''),
);
const url = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom('https://chef.example', 'https://chef.example:8443/organizations/shop') },
  word.map((host) => `https://${host}`),
  fc
    .tuple(word, fc.integer({ min: 0, max: 70_000 }), word)
    .map(([host, port, path]) => `https://${host}:${port}/${path}`),
  fc.webUrl({ validSchemes: ['https'], withQueryParameters: true, withFragments: true }),
  fc.constantFrom(
    'https://[::1]:8140',
    'https://user:word@host',
    'https://host/organizations/shop',
    `https://h/${'a'.repeat(990)}`,
  ),
);
const item = fc.oneof(
  word,
  word.map((name) => `recipe[${name}]`),
);
const choice = <Value>(arbitrary: fc.Arbitrary<Value>) => fc.option(arbitrary, { nil: undefined });
const secrets = fc.constant({
  caSecret: 'ca',
  keySecret: 'key',
  retireKeySecret: 'retire',
  retireClientName: 'r',
  clientName: 'v',
});
const common = {
  url,
  environment: choice(word),
  firstRun: fc.constantFrom('wait', 'start', 'none'),
  service: fc.constantFrom('enable', 'leave'),
};
const chef = fc
  .tuple(
    secrets,
    fc.record({ ...common, engine: fc.constant('chef-infra'), organization: choice(word) }),
    fc.oneof(
      fc.record({
        runList: choice(fc.oneof(fc.array(item, { maxLength: 4 }), fc.constant(Array(300).fill('recipe[abcdefgh]')))),
      }),
      fc.record({ policyName: word, policyGroup: word, environment: fc.constant(undefined) }),
    ),
  )
  .map((parts) => Object.assign({}, ...parts));
const puppet = fc
  .tuple(
    fc.constant({ caSecret: 'ca', keySecret: 'key', retireKeySecret: 'retire' }),
    fc.record({ ...common, engine: fc.constant('puppet') }),
  )
  .map((parts) => Object.assign({}, ...parts));

describe('whatever the build accepts of', () => {
  it.each([
    ['a Puppet Server', puppet],
    ['a Chef Infra Server', chef],
  ])('%s, CheckRequest and the node’s document take', (_what, servers) => {
    let accepted = 0;
    fc.assert(
      fc.property(servers, (server) => {
        const { success, data } = Associate.safeParse(server);
        if (!success) return;
        accepted += 1;
        const parameters = traitsOf(data).installation?.parameters ?? {};
        expect(refusedValue(parameters)).toBeUndefined();
        for (const [name, value] of Object.entries(parameters))
          expect(documentTakes(name, value), `${name}: ${value}`).toBe(true);
      }),
      { numRuns: sized({ small: 500, full: 20_000 }) },
    );
    expect(accepted).toBeGreaterThan(20);
  });

  it.each(patterns)('a value, CheckRequest and the document agree on %s', (name) => {
    fc.assert(
      fc.property(fc.oneof(word, url, fc.string()), (value) => {
        expect(refusedValue({ [name]: value }) === undefined).toBe(documentTakes(name, value));
      }),
    );
  });
});
