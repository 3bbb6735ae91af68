import { Fn, Stack, Tags, type StackProps } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import type { Settings } from '../settings';

/** A stack of this deployment: named after it, in its account, tagged for the bill. */
export class PartStack extends Stack {
  constructor(scope: Construct, readonly settings: Settings, part: string, region: string, props: StackProps = {}) {
    super(scope, `${settings.name}-${part}`, { env: { account: settings.account, region }, ...props });
    Tags.of(this).add('application', settings.name);
  }

  /** Asked of CloudFormation, not of the account at synthesis: templates are made without a network. */
  override get availabilityZones(): string[] {
    return [0, 1].map((nth) => Fn.select(nth, Fn.getAzs(this.region)));
  }
}
