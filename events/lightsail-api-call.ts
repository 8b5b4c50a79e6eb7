import * as z from 'zod';
import { eventOf, type Interpretation, ignored, type Parser, parseEvent, triggerOf } from './event.ts';
import { LightsailInstanceName } from './request.ts';

/**
 * A call of Lightsail's API. Lightsail has no events of its own: this is what CloudTrail recorded, refused calls too.
 *
 *     {
 *       "version": "0",
 *       "id": "36eb8523-97d0-4518-b33d-ee3579ff19f0",
 *       "detail-type": "AWS API Call via CloudTrail",
 *       "source": "aws.lightsail",
 *       "account": "123456789012",
 *       "time": "2016-02-20T01:09:13Z",
 *       "region": "eu-west-1",
 *       "resources": [],
 *       "detail": {
 *         "eventSource": "lightsail.amazonaws.com",
 *         "eventName": "CreateInstances",               CreateInstancesFromSnapshot, DeleteInstance, GetInstances …
 *         "errorCode": "AccessDenied",                  only when the call was refused; requestParameters is null then
 *         "requestParameters": { "instanceNames": ["web-1", "web-2"], "blueprintId": "amazon_linux_2023", … },
 *                                                       DeleteInstance takes one: { "instanceName": "web-1" }
 *         "responseElements": { "operations": [ … ] },
 *         …
 *       }
 *     }
 */
const ApiCall = eventOf(z.looseObject({ eventName: z.string().min(1), errorCode: z.string().nullish() }));

const Creation = eventOf(
  z.looseObject({ requestParameters: z.looseObject({ instanceNames: z.array(LightsailInstanceName).min(1) }) }),
);

const Deletion = eventOf(z.looseObject({ requestParameters: z.looseObject({ instanceName: LightsailInstanceName }) }));

export const lightsailApiCall: Parser = (event): Interpretation => {
  const { eventName, errorCode } = parseEvent(ApiCall, event).detail;
  const parser = CALLS.get(eventName);
  if (!parser) return ignored(`Lightsail's ${eventName} neither creates nor deletes an instance.`);
  if (errorCode) return ignored(`Lightsail's ${eventName} was refused (${errorCode}): it changed nothing.`);
  return parser(event);
};

/** One enrolment for each instance that the call created. */
const creation: Parser = (event): Interpretation => {
  const call = parseEvent(Creation, event);
  const trigger = triggerOf(call);
  const names = call.detail.requestParameters.instanceNames;
  return { kind: 'enrolment', requests: names.map((name) => ({ lightsailInstanceName: name, trigger })) };
};

const deletion: Parser = (event): Interpretation => {
  const call = parseEvent(Deletion, event);
  const { instanceName } = call.detail.requestParameters;
  return { kind: 'retirement', requests: [{ lightsailInstanceName: instanceName, trigger: triggerOf(call) }] };
};

const CALLS = new Map([
  ['CreateInstances', creation],
  ['CreateInstancesFromSnapshot', creation],
  ['DeleteInstance', deletion],
]);
