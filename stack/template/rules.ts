import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { interpret, table } from '../../events/table.ts';
import { compilePattern } from '../../world/eventbridge/event-pattern.ts';
import type { Fault } from './source.ts';
import { ofType, resolved, type Template } from './values.ts';

/** Events that look like what they are not, so that a rule takes them and a function lets them go. */
const LOOKALIKES = /test-notification|terminate-successful-into-warm-pool/;

interface Taker {
  readonly name: string;
  readonly matches: (event: unknown) => boolean;
  readonly targets: readonly string[];
}

/**
 * Plays events/samples/ to the rules: an event that announces a launch or an end must come to the one function that
 * answers it, one that ended an execution badly to a topic, and any other to no target.
 * @param root the folder of events/
 * @param stage in the place of `dev`, which the samples are of
 */
export function ruleFaults(template: Template, root: string, stage = 'dev'): Fault[] {
  const compiled = ofType(template, 'AWS::Events::Rule').map(([name]) => takerOf(name, template));
  const broken = compiled.flatMap((taker) => ('says' in taker ? [taker] : []));
  const takers = compiled.flatMap((taker) => ('says' in taker ? [] : [taker]));
  const samples = samplesIn(root, stage);
  const wrong = samples.flatMap(({ file, event, wanted }) => sampleFaults(file, event, wanted, takers));
  const idle = takers.filter(({ matches }) => !samples.some(({ event }) => matches(event)));
  return [
    ...broken,
    ...wrong,
    ...rowsWithoutSample(samples),
    ...idle.map(({ name }) => ({
      at: ['Resources', name, 'Properties', 'EventPattern'],
      says: `${name} matches no event of events/samples/: correct its pattern, or add a sample of what it is for.`,
    })),
  ];
}

/** Only a sample shows that a row of events/table.ts has a rule. */
function rowsWithoutSample(samples: readonly Sample[]): Fault[] {
  const sampled = samples.filter(({ wanted }) => wanted).map(({ event }) => kindOf(event));
  const rows = table.filter(({ source, detailType }) => !sampled.includes(`${source} "${detailType}"`));
  return rows.map(({ source, detailType }) => {
    const says = `events/table.ts answers ${source} "${detailType}", of which events/samples/ has no event: add a sample.`;
    return { at: [], says };
  });
}

function kindOf(event: unknown): string {
  const { source, 'detail-type': detailType }: { source?: unknown; 'detail-type'?: unknown } = Object(event);
  return `${source} "${detailType}"`;
}

function takerOf(name: string, template: Template): Taker | Fault {
  const properties = template.Resources[name]?.Properties ?? {};
  const { EventPattern, Targets = [] } = resolved(properties, template) as {
    EventPattern?: unknown;
    Targets?: { Arn: string }[];
  };
  // A rule that goes by the clock.
  if (EventPattern === undefined) return { name, matches: () => true, targets: [] };
  try {
    return { name, matches: compilePattern(EventPattern), targets: Targets.map(({ Arn }) => Arn) };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return {
      at: ['Resources', name, 'Properties', 'EventPattern'],
      says: `${name} has a pattern that EventBridge refuses: ${reason}`,
    };
  }
}

interface Sample {
  readonly file: string;
  readonly event: unknown;
  /** How the ARN of what it must come to ends; null where it must reach no target; undefined where it may reach any. */
  readonly wanted: RegExp | null | undefined;
}

function samplesIn(root: string, stage: string): Sample[] {
  const read = (folder: string, wantedOf: (file: string, event: unknown) => Sample['wanted']): Sample[] => {
    const files = readdirSync(join(root, folder)).filter(
      (file) => file.endsWith('.json') && !/^typed-|-bare\./.test(file),
    );
    return files.map((file) => {
      const event: unknown = JSON.parse(
        readFileSync(join(root, folder, file), 'utf8').replaceAll('muster-dev-', `muster-${stage}-`),
      );
      return { file: `${folder}/${file}`, event, wanted: wantedOf(file, event) };
    });
  };
  return [
    ...read('events/samples', (file, event) => {
      const { kind } = interpret(event);
      if (kind !== 'ignored') return new RegExp(`:function:.*-start-${kind}$`);
      return LOOKALIKES.test(file) ? undefined : null;
    }),
    ...read('events/samples/executions/told', () => /:sns:/),
    ...read('events/samples/executions/untold', () => null),
    // Anyone who may call PutEvents in the account can forge one: none may reach an operator, or start anything.
    ...read('events/samples/outcomes', () => null),
  ];
}

function sampleFaults(file: string, event: unknown, wanted: Sample['wanted'], takers: readonly Taker[]): Fault[] {
  if (wanted === undefined) return [];
  const took = takers.filter(({ matches, targets }) => targets.length > 0 && matches(event));
  const right = took.filter(({ targets }) => wanted && targets.some((arn) => wanted.test(arn)));
  const wrong = took.filter((taker) => !right.includes(taker));
  const doubled = right.slice(1);
  return [
    ...[...wrong, ...doubled].map(({ name }) => ({
      at: ['Resources', name, 'Properties', 'EventPattern'],
      says: `${name} takes ${file}, which ${wanted ? 'another rule brings where it belongs' : 'is for no target'}: narrow its pattern.`,
    })),
    ...(wanted && right.length === 0
      ? [{ at: [], says: `No rule brings ${file} to what answers it: correct the pattern of the rule that is for it.` }]
      : []),
  ];
}
