import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { readProfiles } from '../../profiles/file.ts';
import { GENERATED_FILE, readGenerated } from '../../resources/service.ts';
import { grantsOf } from '../../stack/permissions/from-profiles.ts';

export const root = fileURLToPath(new URL('../..', import.meta.url));

/** What the Serverless Framework makes of a service. */
export interface Packaged {
  /** A folder with everything that the template is made of. */
  readonly root: string;
  // biome-ignore lint/suspicious/noExplicitAny: a template to be broken in many places
  readonly template: any;
}

/**
 * Packages what is deployed, in a folder of its own and with empty functions: it is their resources that are looked at.
 * @param change a chance to write something else into the folder
 */
export async function packageStack(change: (folder: string) => void = () => {}, stage = 'dev'): Promise<Packaged> {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'muster-stack-')));
  for (const part of ['serverless.yml', 'parameters.yml', 'resources', 'statemachines', 'documents', 'events/samples'])
    cpSync(join(root, part), join(folder, part), { recursive: true });
  for (const file of readdirSync(join(root, 'functions'))) {
    const built = join(folder, 'build/functions', file.replace(/\.ts$/, ''));
    mkdirSync(built, { recursive: true });
    writeFileSync(join(built, 'index.mjs'), 'export const handler = () => {};');
  }
  writeFileSync(join(folder, 'build/stage.json'), JSON.stringify({ [stage]: 'profiles.yml' }));
  const grants = grantsOf(readProfiles(join(root, 'profiles.yml')));
  writeFileSync(join(folder, 'build/from-profiles.json'), JSON.stringify(grants));
  change(folder);
  writeFileSync(join(folder, GENERATED_FILE), JSON.stringify(readGenerated(folder, grants)));
  const serverless = fileURLToPath(import.meta.resolve('serverless/bin/serverless.js'));
  await promisify(execFile)(process.execPath, [serverless, 'package', '--stage', stage], { cwd: folder });
  const file = join(folder, '.serverless/cloudformation-template-update-stack.json');
  return { root: folder, template: JSON.parse(readFileSync(file, 'utf8')) };
}
