import { readdirSync, readFileSync } from 'node:fs';

const folder = new URL('../../events/samples/', import.meta.url);

/** The names of the samples in `events/samples`, or in a folder of it, without `.json`. */
export function sampleNames(subfolder = ''): string[] {
  const files = readdirSync(new URL(subfolder, folder)).filter((file) => file.endsWith('.json'));
  return files.map((file) => `${subfolder}${file.replace(/\.json$/, '')}`);
}

export function sample(name: string): Record<string, unknown> {
  return JSON.parse(readFileSync(new URL(`${name}.json`, folder), 'utf8'));
}
