import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it, vi } from 'vitest';
import { parse as parseYaml } from 'yaml';
import * as z from 'zod';
import { OUTCOMES, type OutcomeType } from '../../../events/outcomes.ts';
import { parseEnrolmentRequest, parseRetirementRequest } from '../../../events/request.ts';
import { table } from '../../../events/table.ts';
import { compilePattern } from '../../../world/eventbridge/event-pattern.ts';
import { sample, sampleNames } from '../../support/samples.ts';

const file = new URL('../../../docs/events.md', import.meta.url);
const text = readFileSync(file, 'utf8');
const detailTypes = Object.keys(OUTCOMES) as OutcomeType[];
const outcomes = sampleNames('outcomes/').map(sample);

describe('docs/events.md', () => {
  it('lists every kind of event that Muster answers, and no other', () => {
    const rows = rowsOf('source').map(({ source, 'detail-type': detailType }) => `${source} ${detailType}`);
    expect(rows).toEqual(table.map((row) => `${row.source} ${row.detailType}`));
  });

  it('shows inputs that the state machines take', () => {
    const [enrol, retire] = rowsOf('state machine').map((row) => inputsIn(row.input ?? ''));
    vi.stubEnv('AWS_REGION', 'eu-west-1');
    const inOwnRegion = (name: string) => ({ region: 'eu-west-1', ...(sample(name) as object) });
    expect(enrol?.map(parseEnrolmentRequest)).toEqual(['typed-ec2', 'typed-lightsail'].map(inOwnRegion));
    expect(retire?.map(parseRetirementRequest)).toEqual(
      ['typed-retirement', 'typed-retirement-lightsail'].map(inOwnRegion),
    );
    vi.unstubAllEnvs();
  });

  it('says what each outcome means', () => {
    expect(rowsOf('detail-type').map((row) => row['detail-type'])).toEqual(detailTypes);
  });

  it.each(detailTypes)('tells the fields of "%s" as its schema does', (detailType) => {
    const documented = rowsOf('field').map((row) => [row.field?.replaceAll('`', ''), row[detailType]] as const);
    const present = documented.filter(([, mark]) => mark !== '–');
    expect(Object.fromEntries(present)).toEqual(marksOf(OUTCOMES[detailType]));
  });

  it('shows an event that is one of the samples', () => {
    const [shown] = blocksOf('json').map((block) => JSON.parse(block));
    expect(outcomes).toContainEqual(shown);
  });

  it('shows a rule that catches what needs a person, and finds there all that it passes on', () => {
    const { Properties: rule } = Rule.parse(parseYaml(blocksOf('yaml')[0] ?? '').NeedsAPerson);
    const caught = outcomes.filter(compilePattern(rule.EventPattern));
    expect(new Set(caught.map((event) => event['detail-type']))).toEqual(
      new Set(detailTypes.filter((detailType) => 'cause' in OUTCOMES[detailType].shape)),
    );
    const paths = rule.Targets.flatMap((target) => Object.values(target.InputTransformer.InputPathsMap));
    for (const event of caught) for (const path of paths) expect(at(event, path)).toEqual(expect.any(String));
  });

  it('shows a pattern that catches the abandoned launches of one group', () => {
    const { EventPattern } = parseYaml(blocksOf('yaml')[1] ?? '');
    const caught = outcomes.filter(compilePattern(EventPattern));
    expect(caught).toEqual([sample('outcomes/instance-enrolment-failed')]);
  });

  it('links to files that are there', () => {
    const targets = [...text.matchAll(/\]\(([^)]+)\)/g)].map(([, target]) => target ?? '');
    expect(targets.filter((target) => !existsSync(new URL(target, file)))).toEqual([]);
  });
});

const Rule = z.object({
  Properties: z.object({
    EventPattern: z.unknown(),
    Targets: z.array(z.object({ InputTransformer: z.object({ InputPathsMap: z.record(z.string(), z.string()) }) })),
  }),
});

/** The rows of the table whose first column is headed so. */
function rowsOf(firstHeading: string): Record<string, string>[] {
  const lines = text.split('\n');
  const start = lines.findIndex((line) => line.startsWith(`| ${firstHeading} |`));
  const [heading = '', , ...rest] = lines.slice(start);
  const end = rest.findIndex((line) => !line.startsWith('|'));
  const headings = cellsOf(heading);
  return rest.slice(0, end).map((line) => Object.fromEntries(cellsOf(line).map((cell, i) => [headings[i], cell])));
}

const cellsOf = (line: string) =>
  line
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim());

const blocksOf = (language: string) =>
  [...text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))].map(([, block]) => block ?? '');

/** The JSON objects that stand in a table's cell. */
const inputsIn = (cell: string) => [...cell.matchAll(/`(\{.*?\})`/g)].map(([, input]) => JSON.parse(input ?? ''));

function marksOf({ shape }: z.ZodObject): Record<string, string> {
  const marks = Object.entries(shape).map(([field, schema]) => [field, z.safeParse(schema, null).success ? '○' : '●']);
  return Object.fromEntries(marks);
}

/** The value at a path such as `$.detail.cause`. */
function at(event: object, path: string): unknown {
  const keys = path.split('.').slice(1);
  return keys.reduce<unknown>((node, key) => z.record(z.string(), z.unknown()).parse(node)[key], event);
}
