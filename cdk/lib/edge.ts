import * as wafv2 from 'aws-cdk-lib/aws-wafv2';
import type { Construct } from 'constructs';
import type { Settings } from '../settings';
import { PartStack } from './part-stack';

/** CloudFront takes its firewall from here and nowhere else. */
export const EDGE_REGION = 'us-east-1';

/** Refuses addresses that ask too much before they cost anything behind the edge. */
export class EdgeStack extends PartStack {
  readonly firewall: wafv2.CfnWebACL;

  constructor(scope: Construct, settings: Settings, requestsPer5Minutes: number) {
    super(scope, settings, 'edge', EDGE_REGION, { description: 'cloudping: firewall of the edge', crossRegionReferences: true });
    const seen = (metricName: string) => ({ cloudWatchMetricsEnabled: true, sampledRequestsEnabled: true, metricName });
    this.firewall = new wafv2.CfnWebACL(this, 'Firewall', {
      scope: 'CLOUDFRONT',
      defaultAction: { allow: {} },
      visibilityConfig: seen(`${settings.name}-edge`),
      rules: [
        {
          name: 'rate',
          priority: 0,
          action: { block: { customResponse: { responseCode: 429 } } },
          statement: {
            rateBasedStatement: { limit: requestsPer5Minutes, aggregateKeyType: 'IP', evaluationWindowSec: 300 },
          },
          visibilityConfig: seen(`${settings.name}-rate`),
        },
        {
          name: 'bad-addresses',
          priority: 1,
          overrideAction: { none: {} },
          statement: { managedRuleGroupStatement: { vendorName: 'AWS', name: 'AWSManagedRulesAmazonIpReputationList' } },
          visibilityConfig: seen(`${settings.name}-bad-addresses`),
        },
      ],
    });
  }
}
