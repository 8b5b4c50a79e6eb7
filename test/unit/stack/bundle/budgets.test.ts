import { randomBytes } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { faultsOfSizes } from '../../../../stack/bundle/budgets.ts';

const folder = mkdtempSync(join(tmpdir(), 'muster-budgets-'));

/** What the build says of functions of these sizes, in kB. */
function faults(sizes: Record<string, number>, exceptions = '', text = '{}'): string[] {
  const file = join(folder, 'budgets.yml');
  writeFileSync(file, `# In kB.\ndefault: 95\nprofiles: 10\n${exceptions}`);
  const inputs = {
    'node_modules/@aws-sdk/client-ec2/dist-es/models.js': 90_000,
    'node_modules/a/node_modules/zod/index.js': 20_000,
    'functions/x.ts': 1_000,
    'lib/errors.ts': 500,
  };
  const bundles = Object.entries(sizes).map(([name, kilobytes]) => {
    return { name, file: '', bytes: 4000 * kilobytes, gzipBytes: 1000 * kilobytes, inputs };
  });
  return faultsOfSizes(file, bundles, { file: 'profiles.yml', text }).map((fault) => fault.replace(`${folder}/`, ''));
}

const exception = (name: string, kilobytes: number) =>
  `exceptions:\n  - function: ${name}\n    kilobytes: ${kilobytes}\n    reason: It speaks to EC2.\n`;

describe('a bundle', () => {
  it('may weigh what its budget says', () => {
    expect(faults({ small: 95, large: 120 }, exception('large', 120))).toEqual([]);
  });

  it('may weigh no more, and is told where that stands and what weighs most', () => {
    expect(faults({ small: 95.1 })).toEqual([
      'budgets.yml:2: functions/small.ts becomes 95.1 kB (gzip), over its budget of 95 kB; most of it is ' +
        '@aws-sdk/client-ec2 (90 kB raw), zod (20 kB raw), functions (1 kB raw): import less of that, or give it a ' +
        'budget of its own with a reason.',
    ]);
  });

  it('never reads as within a budget that it is over', () => {
    expect(faults({ small: 95.004 })[0]).toContain(
      'functions/small.ts becomes 95.1 kB (gzip), over its budget of 95 kB',
    );
  });

  it('may not weigh more than its own budget', () => {
    expect(faults({ large: 121 }, exception('large', 120))).toEqual([
      expect.stringMatching(
        /^budgets\.yml:6: functions\/large\.ts becomes 121\.0 kB \(gzip\), over its budget of 120 kB;/,
      ),
    ]);
  });
});

describe('the profiles in a bundle', () => {
  // Random, so that it weighs as much as it is long.
  const profiles = (kilobytes: number) => randomBytes(750 * kilobytes).toString('base64');

  it('have a budget of their own, and the sentence names their file', () => {
    expect(faults({ small: 95 }, '', profiles(15))).toEqual([
      expect.stringMatching(
        /^profiles\.yml becomes 1\d\.\d kB \(gzip\) in each function that reads it, over the 10 kB at budgets\.yml:3: /,
      ),
    ]);
  });
});

describe('a budget of its own', () => {
  it('is refused where the default would do', () => {
    expect(faults({ large: 95 }, exception('large', 120))).toEqual([
      'budgets.yml:5: large keeps to the default of 95 kB: remove the exception.',
    ]);
  });

  it('is refused for a function that is not there', () => {
    expect(faults({}, exception('gone', 120))).toEqual([
      'budgets.yml:5: there is no function gone: remove the exception.',
    ]);
  });

  it('is refused above all measure', () => {
    expect(faults({ large: 120 }, exception('large', 211))).toEqual([
      'budgets.yml:5: 211 kB is no budget: 210 kB is the most.',
    ]);
  });

  it('needs a reason', () => {
    expect(() => faults({}, 'exceptions:\n  - function: large\n    kilobytes: 120\n')).toThrow('reason');
  });
});
