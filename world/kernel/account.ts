/** The account and Region in which the local world plays: AWS documentation's own example account. */
export const ACCOUNT_ID = '123456789012';
export const REGION = 'eu-west-1';

/** `eu-west-1` of `eu-west-1a`. */
export function regionOf({ availabilityZone }: { readonly availabilityZone: string }): string {
  return availabilityZone.replace(/[a-z]$/, '');
}

/** The ARN that a function of the local world has. */
export function functionArn(name: string): string {
  return `arn:aws:lambda:${REGION}:${ACCOUNT_ID}:function:${name}`;
}
