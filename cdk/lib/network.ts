import { RemovalPolicy } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as logs from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import type { Settings } from '../settings';
import { PartStack } from './part-stack';

/** The addresses within: whoever comes from there has come through the load balancer or CloudFront's interfaces. */
export const NETWORK = '10.71.0.0/16';

/**
 * A network for the containers. Tasks stand in public subnets behind security groups that let nobody in but the load balancer: NAT
 * gateways would cost more than all of the tasks. The load balancer itself has no public address.
 */
export class NetworkStack extends PartStack {
  readonly vpc: ec2.Vpc;

  constructor(scope: Construct, settings: Settings) {
    super(scope, settings, 'network', settings.homeRegion, { description: 'cloudping: network of the containers' });
    this.vpc = new ec2.Vpc(this, 'Vpc', {
      ipAddresses: ec2.IpAddresses.cidr(NETWORK),
      maxAzs: 2,
      natGateways: 0,
      restrictDefaultSecurityGroup: false,
      subnetConfiguration: [
        { name: 'tasks', subnetType: ec2.SubnetType.PUBLIC, cidrMask: 24, mapPublicIpOnLaunch: false },
        { name: 'inner', subnetType: ec2.SubnetType.PRIVATE_ISOLATED, cidrMask: 24 },
      ],
      gatewayEndpoints: {
        s3: { service: ec2.GatewayVpcEndpointAwsService.S3 },
        dynamodb: { service: ec2.GatewayVpcEndpointAwsService.DYNAMODB },
      },
    });
    this.vpc.addFlowLog('Flows', {
      trafficType: ec2.FlowLogTrafficType.REJECT,
      destination: ec2.FlowLogDestination.toCloudWatchLogs(
        new logs.LogGroup(this, 'FlowLog', { retention: logs.RetentionDays.ONE_WEEK, removalPolicy: RemovalPolicy.DESTROY }),
      ),
    });
  }
}
