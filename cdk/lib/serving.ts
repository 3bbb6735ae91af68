import { CfnOutput, Duration } from 'aws-cdk-lib';
import * as acm from 'aws-cdk-lib/aws-certificatemanager';
import * as cloudfront from 'aws-cdk-lib/aws-cloudfront';
import { VpcOrigin } from 'aws-cdk-lib/aws-cloudfront-origins';
import type * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as elb from 'aws-cdk-lib/aws-elasticloadbalancingv2';
import type * as s3 from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';
import type { Settings } from '../settings';
import { NETWORK } from './network';
import type { Packages } from './packages';
import { PartStack } from './part-stack';
import { PORT, QueryService } from './query-service';

export interface ServingProps {
  readonly packages: Packages;
  readonly table: dynamodb.ITable;
  readonly archive: s3.IBucket;
  readonly accessLogs: s3.IBucket;
  readonly vpc: ec2.Vpc;
  /** ARN of the firewall before the edge. */
  readonly firewall: string;
}

/** The query service: containers behind a load balancer without a public address, behind CloudFront. */
export class ServingStack extends PartStack {
  readonly balancer: elb.ApplicationLoadBalancer;
  readonly group: elb.ApplicationTargetGroup;
  readonly service: ecs.FargateService;
  readonly distribution: cloudfront.Distribution;

  constructor(scope: Construct, settings: Settings, private readonly props: ServingProps) {
    super(scope, settings, 'serving', settings.homeRegion, { description: 'cloudping: query service', crossRegionReferences: true });
    const { vpc } = props;
    const door = new ec2.SecurityGroup(this, 'Door', { vpc, allowAllOutbound: false, description: 'Load balancer: only from within' });
    const tasks = new ec2.SecurityGroup(this, 'Tasks', { vpc, description: 'Query service: only from the load balancer' });
    // CloudFront comes through interfaces of its own in this network.
    door.addIngressRule(ec2.Peer.ipv4(NETWORK), ec2.Port.tcp(80), 'CloudFront');
    door.addEgressRule(tasks, ec2.Port.tcp(PORT), 'query service');
    tasks.addIngressRule(door, ec2.Port.tcp(PORT), 'load balancer');
    this.service = this.containers(tasks);
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
    this.group = this.targets();
    this.distribution = this.edge();
    new CfnOutput(this, 'Address', {
      value: `https://${settings.serving.domain?.name ?? this.distribution.distributionDomainName}`,
    });
    new CfnOutput(this, 'EdgeName', { value: this.distribution.distributionDomainName });
  }

  private containers(group: ec2.SecurityGroup): ecs.FargateService {
    const { settings, props } = this;
    const { definition } = new QueryService(this, 'Query', { settings, ...props, proxies: NETWORK });
    return new ecs.FargateService(this, 'Service', {
      cluster: new ecs.Cluster(this, 'Cluster', { vpc: props.vpc, containerInsightsV2: ecs.ContainerInsights.ENABLED }),
      taskDefinition: definition,
      desiredCount: settings.serving.tasks,
      assignPublicIp: true,
      vpcSubnets: { subnetType: ec2.SubnetType.PUBLIC },
      securityGroups: [group],
      minHealthyPercent: 100,
      maxHealthyPercent: 200,
      circuitBreaker: { enable: true, rollback: true },
      healthCheckGracePeriod: Duration.seconds(60),
    });
  }

  private targets(): elb.ApplicationTargetGroup {
    const listener = this.balancer.addListener('Http', { port: 80, open: false });
    return listener.addTargets('Tasks', {
      port: PORT,
      protocol: elb.ApplicationProtocol.HTTP,
      targets: [this.service],
      deregistrationDelay: Duration.seconds(30),
      // Not /healthz: it says 503 while the data are stale, and another container would not make them fresher.
      healthCheck: { path: '/metrics', healthyHttpCodes: '200', interval: Duration.seconds(15), timeout: Duration.seconds(5) },
    });
  }

  private edge(): cloudfront.Distribution {
    const { domain } = this.settings.serving;
    return new cloudfront.Distribution(this, 'Edge', {
      comment: `${this.settings.name}: query service`,
      defaultBehavior: {
        origin: VpcOrigin.withApplicationLoadBalancer(this.balancer, {
          protocolPolicy: cloudfront.OriginProtocolPolicy.HTTP_ONLY,
          httpPort: 80,
          readTimeout: Duration.seconds(60),
        }),
        viewerProtocolPolicy: cloudfront.ViewerProtocolPolicy.REDIRECT_TO_HTTPS,
        allowedMethods: cloudfront.AllowedMethods.ALLOW_ALL,
        // Answers differ by key, and live ones are stale at once: the service caches what can be.
        cachePolicy: cloudfront.CachePolicy.CACHING_DISABLED,
        // With CloudFront-Viewer-Address, by which the service counts addresses.
        originRequestPolicy: cloudfront.OriginRequestPolicy.ALL_VIEWER_AND_CLOUDFRONT_2022,
        responseHeadersPolicy: cloudfront.ResponseHeadersPolicy.SECURITY_HEADERS,
      },
      webAclId: this.props.firewall,
      enableLogging: true,
      logBucket: this.props.accessLogs,
      logFilePrefix: 'edge/',
      httpVersion: cloudfront.HttpVersion.HTTP2_AND_3,
      ...(domain && {
        domainNames: [domain.name],
        minimumProtocolVersion: cloudfront.SecurityPolicyProtocol.TLS_V1_2_2021,
        certificate: acm.Certificate.fromCertificateArn(this, 'Certificate', domain.certificateArn),
      }),
    });
  }
}
