import * as z from 'zod';
import { eventOf, type Interpretation, ignored, type Parser, parseEvent, triggerOf } from './event.ts';
import { LightsailInstanceName } from './request.ts';

/**
 * Somebody called Lightsail. Lightsail has no events of its own: this is what CloudTrail recorded, refused calls too.
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
 *         "eventName": "CreateInstances",               or CreateInstancesFromSnapshot, GetInstances …
 *         "errorCode": "AccessDenied",                  only when the call was refused; requestParameters is null then
 *         "requestParameters": { "instanceNames": ["web-1", "web-2"], "blueprintId": "amazon_linux_2023", … },
 *         "responseElements": { "operations": [ … ] },
 *         …
 *       }
 *     }
 */
const ApiCall = eventOf(z.looseObject({ eventName: z.string().min(1), errorCode: z.string().nullish() }));

const Creation = eventOf(
  z.looseObject({ requestParameters: z.looseObject({ instanceNames: z.array(LightsailInstanceName).min(1) }) }),
);

/** One enrolment for each instance that the call created. */
export const lightsailApiCall: Parser = (event): Interpretation => {
  const { detail } = parseEvent(ApiCall, event);
  if (detail.eventName !== 'CreateInstances' && detail.eventName !== 'CreateInstancesFromSnapshot') {
    return ignored(`Lightsail's ${detail.eventName} creates no instance.`);
  }
  if (detail.errorCode) {
    return ignored(`Lightsail's ${detail.eventName} was refused (${detail.errorCode}): it created no instance.`);
  }
  const creation = parseEvent(Creation, event);
  const trigger = triggerOf(creation);
  const names = creation.detail.requestParameters.instanceNames;
  return { kind: 'enrolment', requests: names.map((name) => ({ lightsailInstanceName: name, trigger })) };
};
