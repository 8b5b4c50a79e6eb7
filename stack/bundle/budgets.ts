import { gzipSync } from 'node:zlib';
import * as z from 'zod';
import { openYaml } from '../../lib/yaml-file.ts';
import type { Bundle } from './bundle.ts';

const Budgets = z.strictObject({
  default: z.number().positive(),
  profiles: z.number().positive(),
  exceptions: z
    .array(z.strictObject({ function: z.string(), kilobytes: z.number().positive(), reason: z.string().min(1) }))
    .default([]),
});

/** Above this nothing is excused: an EC2 client in one piece is smaller. */
const MOST_KILOBYTES = 210;

/** What is compiled into every function that reads it. */
export interface Compiled {
  /** As a sentence is to call it. */
  readonly file: string;
  readonly text: string;
}

/**
 * Holds the bundles against their budgets.
 * @param file the budgets, YAML
 * @param bundles without the profiles, which have a budget of their own: who adds one shall not have to look for code to
 *   leave out
 * @returns one sentence for each fault: file, line and what to do
 */
export function faultsOfSizes(file: string, bundles: readonly Bundle[], profiles: Compiled): string[] {
  const { content, placeOf: at } = openYaml(file);
  const budgets = Budgets.parse(content());
  const compiledBytes = gzipSync(profiles.text).byteLength;
  const faults = bundles.flatMap((bundle) => {
    const index = budgets.exceptions.findIndex((exception) => exception.function === bundle.name);
    const kilobytes = budgets.exceptions[index]?.kilobytes ?? budgets.default;
    if (bundle.gzipBytes <= kilobytes * 1000) return [];
    return [`${at(index < 0 ? ['default'] : ['exceptions', index, 'kilobytes'])}: ${tooLarge(bundle, kilobytes)}`];
  });
  const tooManyProfiles =
    compiledBytes > budgets.profiles * 1000
      ? [
          `${profiles.file} becomes ${kilobytesOf(compiledBytes)} kB (gzip) in each function that reads it, over the ${budgets.profiles} kB at ${at(['profiles'])}: let one profile match several groups, or raise it.`,
        ]
      : [];
  return [
    ...tooManyProfiles,
    ...faults,
    ...budgets.exceptions.flatMap((exception, index) => exceptionFaults(exception, index)),
  ];

  function exceptionFaults(exception: z.infer<typeof Budgets>['exceptions'][number], index: number): string[] {
    const where = at(['exceptions', index, 'function']);
    const bundle = bundles.find(({ name }) => name === exception.function);
    if (!bundle) return [`${where}: there is no function ${exception.function}: remove the exception.`];
    if (exception.kilobytes > MOST_KILOBYTES)
      return [`${where}: ${exception.kilobytes} kB is no budget: ${MOST_KILOBYTES} kB is the most.`];
    if (bundle.gzipBytes > budgets.default * 1000) return [];
    return [`${where}: ${exception.function} keeps to the default of ${budgets.default} kB: remove the exception.`];
  }
}

function tooLarge({ name, gzipBytes, inputs }: Bundle, kilobytes: number): string {
  return (
    `functions/${name}.ts becomes ${kilobytesOf(gzipBytes)} kB (gzip), over its budget of ${kilobytes} kB; ` +
    `most of it is ${heaviest(inputs).join(', ')}: import less of that, or give it a budget of its own with a reason.`
  );
}

/** Rounded up, so that a bundle over its budget never reads as if it were within. */
function kilobytesOf(bytes: number): string {
  return (Math.ceil(bytes / 100) / 10).toFixed(1);
}

/** The packages and folders that bring most. */
function heaviest(inputs: Bundle['inputs']): string[] {
  const bytes = new Map<string, number>();
  for (const [file, own] of Object.entries(inputs)) {
    const [, ofPackage] = /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file) ?? [];
    const part = ofPackage ?? file.split('/', 1)[0] ?? file;
    bytes.set(part, (bytes.get(part) ?? 0) + own);
  }
  const sorted = [...bytes].sort((a, b) => b[1] - a[1]).slice(0, 3);
  return sorted.map(([part, own]) => `${part} (${(own / 1000).toFixed(0)} kB raw)`);
}
