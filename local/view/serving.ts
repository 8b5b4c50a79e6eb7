import { styleText } from 'node:util';
import type { World } from '../world.ts';

/** What a user who has just started a serving world wants to know: where it is, and what to try. */
export function servingWords({ endpoint }: World): string {
  return [
    `${styleText('bold', `This world serves at ${endpoint} until Ctrl+C.`)} In another terminal:`,
    '',
    `  curl ${endpoint}/_local/launch -d '{"autoScalingGroupName":"web"}'`,
    `  curl ${endpoint}/_local/lightsail -d '{"instanceNames":["blog-1"]}'`,
    `  curl ${endpoint}/_local/world`,
    '',
    '  export AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local',
    '  export AWS_DEFAULT_REGION=eu-west-1',
    `  aws --endpoint-url ${endpoint} stepfunctions list-state-machines`,
    `  aws --endpoint-url ${endpoint} opsworks-cm describe-servers`,
    '',
  ].join('\n');
}
