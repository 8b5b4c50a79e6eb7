import { type Instance, NO_ROOT_VOLUME } from '../../lib/instance.ts';

/** An instance of a group, whose metadata service still takes IMDSv1. */
export const WEB: Instance = {
  platform: 'ec2',
  instanceId: 'i-0123456789abcdef0',
  nodeName: 'i-0123456789abcdef0',
  accountId: '123456789012',
  region: 'eu-west-1',
  imageId: null,
  launchTime: null,
  createdTime: null,
  arn: null,
  privateIpAddress: null,
  publicIpAddress: null,
  autoScalingGroupName: 'web-blue',
  tags: {},
  metadataOptions: { state: 'applied', httpTokens: 'optional', httpEndpoint: 'enabled', httpPutResponseHopLimit: 1 },
  ...NO_ROOT_VOLUME,
};
