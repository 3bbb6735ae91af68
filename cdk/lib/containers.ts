import { Duration } from 'aws-cdk-lib';
import * as cloudfront from 'aws-cdk-lib/aws-cloudfront';
import { VpcOrigin } from 'aws-cdk-lib/aws-cloudfront-origins';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as elb from 'aws-cdk-lib/aws-elasticloadbalancingv2';
import type * as s3 from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { NETWORK } from './network';
import { PORT, QueryService, type QueryServiceProps } from './query-service';

export interface ContainersProps extends QueryServiceProps {
  readonly vpc: ec2.Vpc;
  readonly accessLogs: s3.IBucket;
}

/** The large service: containers behind a load balancer without a public address. */
export class Containers extends Construct {
  readonly balancer: elb.ApplicationLoadBalancer;
  readonly group: elb.ApplicationTargetGroup;
  readonly origin: cloudfront.IOrigin;

  constructor(scope: Construct, id: string, private readonly props: ContainersProps) {
    super(scope, id);
    const { vpc } = props;
    const door = new ec2.SecurityGroup(this, 'Door', { vpc, allowAllOutbound: false, description: 'Load balancer: only from within' });
    const tasks = new ec2.SecurityGroup(this, 'Tasks', { vpc, description: 'Query service: only from the load balancer' });
    // CloudFront comes through interfaces of its own in this network.
    door.addIngressRule(ec2.Peer.ipv4(NETWORK), ec2.Port.tcp(80), 'CloudFront');
    door.addEgressRule(tasks, ec2.Port.tcp(PORT), 'query service');
    tasks.addIngressRule(door, ec2.Port.tcp(PORT), 'load balancer');
    const service = this.service(tasks);
    this.balancer = new elb.ApplicationLoadBalancer(this, 'Balancer', {
      vpc,
      internetFacing: false,
      vpcSubnets: { subnetType: ec2.SubnetType.PRIVATE_ISOLATED },
      securityGroup: door,
      dropInvalidHeaderFields: true,
      // Server-sent events beat more often than this; downloads flow.
      idleTimeout: Duration.seconds(120),
    });
    this.balancer.logAccessLogs(props.accessLogs, 'balancer');
    this.group = this.targets(service);
    this.origin = VpcOrigin.withApplicationLoadBalancer(this.balancer, {
      protocolPolicy: cloudfront.OriginProtocolPolicy.HTTP_ONLY,
      httpPort: 80,
      readTimeout: Duration.seconds(60),
    });
  }

  private service(group: ec2.SecurityGroup): ecs.FargateService {
    const { props } = this;
    const { definition } = new QueryService(this, 'Query', props);
    return new ecs.FargateService(this, 'Service', {
      cluster: new ecs.Cluster(this, 'Cluster', { vpc: props.vpc, containerInsightsV2: ecs.ContainerInsights.ENABLED }),
      taskDefinition: definition,
      desiredCount: props.settings.serving.tasks,
      assignPublicIp: true,
      vpcSubnets: { subnetType: ec2.SubnetType.PUBLIC },
      securityGroups: [group],
      minHealthyPercent: 100,
      maxHealthyPercent: 200,
      circuitBreaker: { enable: true, rollback: true },
      healthCheckGracePeriod: Duration.seconds(60),
    });
  }

  private targets(service: ecs.FargateService): elb.ApplicationTargetGroup {
    const listener = this.balancer.addListener('Http', { port: 80, open: false });
    return listener.addTargets('Tasks', {
      port: PORT,
      protocol: elb.ApplicationProtocol.HTTP,
      targets: [service],
      deregistrationDelay: Duration.seconds(30),
      // Not /healthz: it says 503 while the data are stale, and another container would not make them fresher.
      healthCheck: { path: '/metrics', healthyHttpCodes: '200', interval: Duration.seconds(15), timeout: Duration.seconds(5) },
    });
  }
}
