import { chmodSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { faultsByCfnLint } from '../../../../stack/template/lint.ts';

/** A program in the place of cfn-lint that does this. */
function program(script: string): string {
  const file = join(mkdtempSync(join(tmpdir(), 'muster-lint-')), 'cfn-lint');
  writeFileSync(file, `#!/bin/sh\n${script}\n`);
  chmodSync(file, 0o755);
  return file;
}

describe('cfn-lint', () => {
  it('that has nothing against the template has no fault', async () => {
    expect(await faultsByCfnLint('template.json', program('exit 0'))).toEqual([]);
  });

  it('names file and line of each fault', async () => {
    const fake = program('echo "$6:12:3:12:9:E3012:Period is not an integer"; exit 2');
    expect(await faultsByCfnLint('template.json', fake)).toEqual(['template.json:12: E3012: Period is not an integer']);
  });

  it('that fails by itself is a fault too', async () => {
    expect(await faultsByCfnLint('template.json', program('echo "no module cfnlint" >&2; exit 1'))).toEqual([
      'no module cfnlint',
    ]);
  });

  it('that is not installed says nothing', async () => {
    expect(await faultsByCfnLint('template.json', '/nowhere/cfn-lint')).toBeUndefined();
  });
});
