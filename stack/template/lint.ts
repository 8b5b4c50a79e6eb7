import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/**
 * The framework says `DependsOn` where a reference already says it; that is all that cfn-lint has against its part of a
 * template.
 */
const NOT_OURS = 'W3005';

/**
 * What cfn-lint has against the template; it knows rules of CloudFormation that no schema tells.
 * @returns its lines, or undefined where it is not installed
 */
export async function faultsByCfnLint(file: string, program = 'cfn-lint'): Promise<string[] | undefined> {
  const args = ['--ignore-checks', NOT_OURS, '--format', 'parseable', '--', file];
  try {
    await promisify(execFile)(program, args);
    return [];
  } catch (error) {
    const { code, stdout = '', stderr = '' } = error as { code?: string | number; stdout?: string; stderr?: string };
    if (code === 'ENOENT') return undefined;
    // file:line:column:line:column:rule:message
    return `${stdout}${stderr}`
      .split('\n')
      .filter(Boolean)
      .map((line) => line.replace(/^([^:]+:\d+):\d+:\d+:\d+:(\w+):/, '$1: $2: '));
  }
}
