import { readFileSync } from 'node:fs';
import { faultsOfStack } from './scripts/template.ts';
console.log((await faultsOfStack(JSON.parse(readFileSync('.serverless/cloudformation-template-update-stack.json','utf8')), '.')).join('\n'));
