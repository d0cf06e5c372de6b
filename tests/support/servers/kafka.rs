//! Apache Kafka in `KRaft` mode, one node.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication},
    client::DefaultClientContext,
};

use super::{Certificates, Missing, Process, folder, free_port, http::block_on, prepared, program};

const START: Duration = Duration::from_secs(120);

/// A broker that can be killed and started again on the same data and ports.
#[derive(Debug)]
pub struct Kafka {
    folder: PathBuf,
    libs: String,
    plain: u16,
    sasl: u16,
    authority: PathBuf,
    process: Option<Process>,
}

impl Kafka {
    /// User of the SASL listener, for PLAIN and SCRAM.
    pub const USER: &'static str = "watcher";
    /// Their password.
    pub const PASSWORD: &'static str = "correct-horse";

    /// The broker that all tests of this process share.
    pub fn shared() -> Result<&'static Self, Missing> {
        static SHARED: LazyLock<Result<Kafka, Missing>> = LazyLock::new(Kafka::start);
        SHARED.as_ref().map_err(Clone::clone)
    }

    /// A broker of one's own, with a plain and a SASL-over-TLS listener.
    pub fn start() -> Result<Self, Missing> {
        program("java", "default-jre-headless")?;
        let libs = format!("{}/libs/*", prepared("kafka")?.display());
        let folder = folder("kafka");
        let certificates = Certificates::make(&folder)?;
        let (plain, sasl) = (free_port(), free_port());
        let properties = properties(&folder, plain, sasl, &certificates.server);
        fs::write(folder.join("server.properties"), properties).unwrap();
        let authority = certificates.authority;
        let mut kafka = Self { folder, libs, plain, sasl, authority, process: None };
        kafka.format();
        kafka.resume();
        Ok(kafka)
    }

    fn format(&self) {
        let scram =
            |mechanism: &str| format!("{mechanism}=[name={},password={}]", Self::USER, Self::PASSWORD);
        let output = self
            .java("kafka.tools.StorageTool")
            .args(["format", "-t", "ZHJpZnRsaW5lLXRlc3RzMQ", "-c", "server.properties"])
            .args(["--add-scram", &scram("SCRAM-SHA-256")])
            .args(["--add-scram", &scram("SCRAM-SHA-512")])
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "formatting the broker's storage: {errors}");
    }

    fn java(&self, class: &str) -> Command {
        let mut java = Command::new("java");
        java.current_dir(&self.folder)
            .args(["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
            .args(["-cp", &self.libs, class]);
        java
    }

    /// Ends the broker as a crash does.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Starts the broker again.
    pub fn resume(&mut self) {
        let mut java = self.java("kafka.Kafka");
        java.arg("server.properties");
        let mut process = Process::start("kafka", &java, &self.folder);
        let admin = self.admin();
        // It answers before it has unfenced itself; then topics can't be made.
        process.wait_for("answers", START, || {
            let metadata = admin.inner().fetch_metadata(None, Duration::from_secs(5)).ok()?;
            (!metadata.brokers().is_empty()).then_some(())
        });
        self.process = Some(process);
    }

    /// Address of the plain listener.
    pub fn brokers(&self) -> String {
        format!("127.0.0.1:{}", self.plain)
    }

    /// Address of the listener with SASL over TLS.
    pub fn sasl_brokers(&self) -> String {
        format!("localhost:{}", self.sasl)
    }

    /// The authority that signed the certificate of that listener.
    pub fn authority(&self) -> &Path {
        &self.authority
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        ClientConfig::new().set("bootstrap.servers", self.brokers()).set("log_level", "0").create().unwrap()
    }

    /// Makes a topic with a name of its own: the prefix and a number.
    pub fn topic(&self, prefix: &str, partitions: i32) -> String {
        self.topic_with(prefix, partitions, &[])
    }

    /// The same with settings of the topic.
    pub fn topic_with(&self, prefix: &str, partitions: i32, settings: &[(&str, &str)]) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("{prefix}-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let topic = NewTopic::new(&name, partitions, TopicReplication::Fixed(1));
        let topic = settings.iter().fold(topic, |topic, (key, value)| topic.set(key, value));
        let options = AdminOptions::new().operation_timeout(Some(START));
        let admin = self.admin();
        let made = block_on(admin.create_topics([&topic], &options)).unwrap();
        assert!(made.iter().all(Result::is_ok), "topic {name}: {made:?}");
        name
    }

    /// Gives a topic more partitions, so many in all.
    pub fn grow(&self, topic: &str, partitions: usize) {
        let options = AdminOptions::new().operation_timeout(Some(START));
        let wanted = NewPartitions::new(topic, partitions);
        let grown = block_on(self.admin().create_partitions([&wanted], &options)).unwrap();
        assert!(grown.iter().all(Result::is_ok), "topic {topic}: {grown:?}");
    }
}

fn properties(folder: &Path, plain: u16, sasl: u16, keystore: &Path) -> String {
    let controller = free_port();
    let (user, password) = (Kafka::USER, Kafka::PASSWORD);
    let (folder, keystore) = (folder.display(), keystore.display());
    let modules = "org.apache.kafka.common.security";
    let plain_login = format!(
        r#"{modules}.plain.PlainLoginModule required user_{user}="{password}" username="{user}" password="{password}";"#
    );
    let scram_login = format!("{modules}.scram.ScramLoginModule required;");
    format!(
        "process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{plain},SASL_SSL://127.0.0.1:{sasl},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{plain},SASL_SSL://localhost:{sasl}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.sasl_ssl.plain.sasl.jaas.config={plain_login}
listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config={scram_login}
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config={scram_login}
ssl.keystore.type=PEM
ssl.keystore.location={keystore}
log.dirs={folder}/data
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
log.retention.check.interval.ms=5000
log.segment.delete.delay.ms=1000
"
    )
}
