import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { validationSentence, violations } from '../../../../world/wire/check.ts';
import { awsJson } from '../../../../world/wire/json.ts';
import { loadModel, type Model } from '../../../../world/wire/model.ts';
import { SERVICES, type ServiceName } from '../../../../world/wire/operations.ts';
import { awsQuery } from '../../../../world/wire/query.ts';
import { ServiceError } from '../../../../world/wire/service.ts';

const model: Model = {
  metadata: { source: 'this test', apiVersion: '1', protocol: 'json', serviceFullName: 'Test' },
  operations: {},
  shapes: {
    Input: {
      type: 'structure',
      required: ['Name'],
      members: {
        Name: { shape: 'Name' },
        Count: { shape: 'Count' },
        Names: { shape: 'Names' },
        Pairs: { shape: 'Pairs' },
        Table: { shape: 'Table' },
      },
    },
    Name: { type: 'string', min: 1, max: 3, pattern: '[a-z]*' },
    Count: { type: 'integer', min: 1, max: 5 },
    Names: { type: 'list', max: 2, member: { shape: 'Name' } },
    Pairs: { type: 'list', member: { shape: 'Pair' } },
    Pair: { type: 'structure', required: ['Key'], members: { Key: { shape: 'Name' } } },
    Table: { type: 'map', key: { shape: 'Name' }, value: { shape: 'Names' } },
  },
};

const sentenceOf = (input: unknown) => validationSentence(violations(model, 'Input', input));

describe('A service model', () => {
  it.each([
    [{}, "1 validation error detected: Value null at 'name' failed to satisfy constraint: Member must not be null"],
    [
      { Name: '' },
      "Value '' at 'name' failed to satisfy constraint: Member must have length greater than or equal to 1",
    ],
    [{ Name: 'A' }, "Value 'A' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern"],
    [{ Name: 'a\n' }, 'Member must satisfy regular expression pattern: [a-z]*'],
    [{ Name: 'a', Count: 6 }, "Value '6' at 'count' failed to satisfy constraint: Member must have value less than or"],
    [
      { Name: 'a', Names: ['a', 'b', 'c'] },
      "Value '[a, b, c]' at 'names' failed to satisfy constraint: Member must have le",
    ],
    [
      { Name: 'a', Names: ['B'] },
      "Value '[B]' at 'names' failed to satisfy constraint: Member must satisfy constraint: [",
    ],
    [{ Name: 'a', Pairs: [{ Key: 'a' }, {}] }, "Value null at 'pairs.2.member.key' failed to satisfy constraint"],
    [{ Name: 'a', Table: { B: [] } }, 'Map keys must satisfy constraint: ['],
    [{ Name: 'a', Table: { a: ['B'] } }, "Value '[B]' at 'table.a' failed to satisfy constraint"],
  ])('says what is wrong with %j', (input, sentence) => {
    expect(sentenceOf(input)).toContain(sentence);
  });

  it('finds nothing wrong with an input on the limits of every rule', () => {
    const input = { Name: 'abc', Count: 5, Names: ['a', 'abc'], Pairs: [{ Key: 'a' }], Table: { abc: ['a', 'b'] } };
    expect(violations(model, 'Input', input)).toEqual([]);
  });

  it.each(SERVICES)('has only patterns that can be checked: %s', (service) => {
    const loaded = loadModel(service);
    for (const [name, shape] of Object.entries(loaded.shapes)) {
      if (shape.pattern !== undefined) expect(() => violations(loaded, name, 'text')).not.toThrow();
    }
  });

  it.each(SERVICES)('holds every shape that it names: %s', (service) => {
    const { shapes, operations } = loadModel(service);
    const named = Object.values(shapes).flatMap(({ members = {}, member, key, value }) => [
      ...Object.values(members),
      ...[member, key, value].flatMap((reference) => reference ?? []),
    ]);
    const roots = Object.values(operations).flatMap(({ input, output }) =>
      [input, output].flatMap((name) => name ?? []),
    );
    for (const name of [...named.map(({ shape }) => shape), ...roots]) expect(shapes).toHaveProperty([name]);
  });
});

describe('Reading a request', () => {
  const isAnsweredOrRefused = (read: () => unknown) => {
    try {
      read();
    } catch (error) {
      expect(error).toBeInstanceOf(ServiceError);
    }
  };

  it('ends in an input or in a refusal of the service, whatever JSON comes', () => {
    const json = SERVICES.filter((service) => loadModel(service).metadata.protocol === 'json');
    fc.assert(
      fc.property(
        fc.constantFrom(...json),
        fc.nat(),
        fc.json(),
        fc.dictionary(fc.string(), fc.jsonValue()),
        (...drawn) => {
          const [service, number, text, members] = drawn;
          const loaded = loadModel(service);
          const names = Object.keys(loaded.operations);
          const operation = names[number % names.length] ?? '';
          const known = Object.keys(loaded.shapes[loaded.operations[operation]?.input ?? '']?.members ?? {});
          const values = Object.values(members);
          const near = Object.fromEntries(known.map((name, index) => [name, values[index]]));
          for (const body of [text, JSON.stringify(near), JSON.stringify(members)]) {
            isAnsweredOrRefused(() => awsJson(service, loaded).read(operation, body));
          }
        },
      ),
    );
  });

  it('ends in an input or in a refusal of the service, whatever form comes', () => {
    const word = fc.constantFrom(
      'Filter',
      'InstanceId',
      'InstanceIds',
      'member',
      '1',
      '2',
      'Name',
      'Value',
      '',
      '__proto__',
    );
    const parameter = fc.tuple(fc.array(word, { minLength: 1, maxLength: 4 }), fc.string({ unit: 'grapheme' }));
    fc.assert(
      fc.property(fc.constantFrom<ServiceName>('ec2', 'autoscaling'), fc.array(parameter), (service, parameters) => {
        const body = parameters.map(([steps, value]) => `${steps.join('.')}=${encodeURIComponent(value)}`).join('&');
        const operation = service === 'ec2' ? 'DescribeInstances' : 'DescribeAutoScalingInstances';
        isAnsweredOrRefused(() => awsQuery(loadModel(service)).read(operation, body));
      }),
    );
  });
});
