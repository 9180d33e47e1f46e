//! The kinds of secrets: a name for records and programs, and a description for people.

/// Defines [`Kind`] from one table: name, and description with its article.
macro_rules! kinds {
    ($($variant:ident $name:literal $words:literal)*) => {
        /// The kind of a secret that something looks like.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $(#[doc = $words] $variant,)*
        }

        impl Kind {
            /// All kinds.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Returns its name in records, which never changes.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// Returns its description in messages, with its article.
            pub fn words(self) -> &'static str {
                match self { $(Self::$variant => $words),* }
            }
        }
    };
}

kinds! {
    PrivateKey "private-key" "a private key"
    EncryptedPrivateKey "encrypted-private-key" "an encrypted private key"
    KeyStore "key-store" "a store of private keys"
    ProgramKey "program-key" "a private key inside a program"
    AddressPassword "address-password" "an address with a password"
    AgeKey "age-key" "an age identity"
    AnthropicKey "anthropic-key" "an Anthropic key"
    AwsAccessKey "aws-access-key" "an AWS access key"
    AwsKeyPair "aws-key-pair" "an AWS access key and its secret"
    AwsSecretKey "aws-secret-key" "an AWS secret key"
    AzureKey "azure-key" "an Azure key"
    CloudCredential "cloud-credential" "a cloud credential"
    DatabasePassword "database-password" "a database's password"
    DigitalOceanToken "digitalocean-token" "a DigitalOcean token"
    DockerHubToken "docker-hub-token" "a Docker Hub token"
    GitServerToken "git-server-token" "a Git server's token"
    GitHubToken "github-token" "a GitHub token"
    GitLabToken "gitlab-token" "a GitLab token"
    GrafanaToken "grafana-token" "a Grafana token"
    GroqKey "groq-key" "a Groq key"
    HuggingFaceToken "hugging-face-token" "a Hugging Face token"
    IndexPassword "index-password" "a package index's password"
    KubernetesCredential "kubernetes-credential" "a Kubernetes credential"
    NpmToken "npm-token" "an npm token"
    OpenAiKey "openai-key" "an OpenAI key"
    PyPiToken "pypi-token" "a PyPI token"
    RegistryLogin "registry-login" "a registry's login"
    RegistryToken "registry-token" "a registry's token"
    RubyGemsKey "rubygems-key" "a RubyGems key"
    SendGridKey "sendgrid-key" "a SendGrid key"
    SentryToken "sentry-token" "a Sentry token"
    ServerPassword "server-password" "a server's password"
    ShopifyToken "shopify-token" "a Shopify token"
    SlackToken "slack-token" "a Slack token"
    StripeKey "stripe-key" "a Stripe key"
    TailscaleKey "tailscale-key" "a Tailscale key"
    TwilioSecret "twilio-secret" "a Twilio secret"
    Variable "variable" "a variable with a secret's name"
    VaultToken "vault-token" "a Vault token"
}

impl Kind {
    /// Returns `true` for a key that can be used immediately by anyone who has it.
    pub fn is_private_key(self) -> bool {
        matches!(self, Self::PrivateKey | Self::AgeKey)
    }

    /// Returns the kind with a name from [`Kind::as_str`].
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_read_back_and_stand_once() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_name(kind.as_str()), Some(*kind));
        }
        let names: BTreeSet<&str> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
        assert_eq!(names.len(), Kind::ALL.len());
        assert_eq!(Kind::from_name("no-such-kind"), None);
    }
}
