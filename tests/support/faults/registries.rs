//! The known registries, each with its differences.

use super::flavour::{AfterCut, Flavour, Location, Mounts, Presigned, RangeWord, Stale, Uploads};
use super::tokens::{Joined, Tokens};

const MIB: u64 = 1024 * 1024;

impl Flavour {
    /// distribution's main branch: keeps the bytes of an interrupted PATCH or PUT, and reports them on request.
    pub fn distribution3() -> Self {
        Self {
            name: "distribution 3",
            uploads: Uploads {
                after_cut: AfterCut::Keep,
                stale: Stale::Refused(416),
                location: Location::Absolute,
                patch_status: 202,
                patch_refused: None,
                streams_once: false,
                largest_ranged_bytes: None,
                smallest_part_bytes: None,
                min_chunk_header: None,
                range: RangeWord::Honest,
                empty_range: "0-0",
                put_body_refused: None,
                closing_put_refused: None,
                status_refused: None,
            },
            mounts: Mounts::FromRepository,
            tokens: None,
            lists_referrers: false,
            presigned: None,
            missing_manifest: 404,
            names_manifest: true,
            names_digests: true,
            must_be_made: false,
            largest_body_bytes: None,
            keeps_blobs: true,
            pull_quota: None,
            push_quota_bytes: None,
        }
    }

    /// distribution 2.8: any request to an address that is not the newest ends the upload.
    pub fn distribution2() -> Self {
        Self {
            name: "distribution 2.8",
            ..Self::distribution3()
        }
        .uploads(|uploads| uploads.stale = Stale::Ends)
    }

    /// zot: an interrupted PATCH ends the session; a blob of any repository is mounted.
    pub fn zot() -> Self {
        let zot = Self {
            name: "zot",
            mounts: Mounts::Anything,
            lists_referrers: true,
            ..Self::distribution3()
        };
        zot.uploads(|uploads| {
            uploads.after_cut = AfterCut::Drop;
            uploads.stale = Stale::Ignored;
            uploads.location = Location::Relative;
        })
    }

    /// Amazon's: repositories must be created first, parts are large, `Range` does not advance.
    pub fn ecr() -> Self {
        let ecr = Self {
            name: "ECR",
            mounts: Mounts::Never,
            names_manifest: false,
            must_be_made: true,
            ..Self::distribution3()
        };
        ecr.uploads(|uploads| {
            uploads.after_cut = AfterCut::Forget;
            uploads.stale = Stale::Ignored;
            uploads.patch_status = 201;
            uploads.smallest_part_bytes = Some(5 * MIB);
            uploads.range = RangeWord::StuckAtFirst;
            uploads.closing_put_refused = Some(500);
        })
    }

    /// GitHub's: small ranged parts, blobs behind short-lived addresses.
    pub fn ghcr() -> Self {
        let ghcr = Self {
            name: "GHCR",
            tokens: Some(Tokens::default()),
            presigned: Some(Presigned {
                ends_after_bytes: Some(8 * MIB),
                status: 403,
            }),
            ..Self::distribution3()
        };
        ghcr.uploads(|uploads| {
            uploads.after_cut = AfterCut::Forget;
            uploads.largest_ranged_bytes = Some(4 * MIB);
            uploads.location = Location::Relative;
        })
    }

    /// Red Hat's: a mount requires `from`.
    pub fn quay() -> Self {
        let tokens = Some(Tokens::default());
        let mounts = Mounts::FromOrElse(400);
        Self {
            name: "Quay",
            tokens,
            mounts,
            lists_referrers: true,
            ..Self::distribution3()
        }
    }

    /// GitLab's: tokens that expire soon, and no scope for repositories outside the project.
    pub fn gitlab() -> Self {
        let tokens = Tokens {
            refuses_unrelated: Some(403),
            lives_requests: Some(8),
            ..Tokens::default()
        };
        Self {
            name: "GitLab",
            tokens: Some(tokens),
            ..Self::distribution3()
        }
    }

    /// Harbor: 401 for a mount from a project that does not exist; quotas.
    pub fn harbor() -> Self {
        let tokens = Some(Tokens::default());
        Self {
            name: "Harbor",
            tokens,
            mounts: Mounts::MissingIs(401),
            lists_referrers: true,
            ..Self::distribution3()
        }
    }

    /// Google's: uploads only by one PUT; tokens only by GET.
    pub fn artifact_registry() -> Self {
        let tokens = Some(Tokens {
            post_status: Some(404),
            ..Tokens::default()
        });
        Self {
            name: "Artifact Registry",
            tokens,
            ..Self::distribution3()
        }
        .uploads(|uploads| {
            uploads.patch_refused = Some(400);
            uploads.after_cut = AfterCut::Drop;
            uploads.stale = Stale::Ignored;
        })
    }

    /// Azure's: tokens only by GET, which expire in the middle of a long push; each address can be used once.
    pub fn acr() -> Self {
        let tokens = Tokens {
            post_status: Some(400),
            lives_bytes: Some(4 * MIB),
            ..Tokens::default()
        };
        Self {
            name: "ACR",
            tokens: Some(tokens),
            ..Self::distribution3()
        }
        .uploads(|uploads| uploads.after_cut = AfterCut::Drop)
    }

    /// JFrog's: 403 for a tag that does not exist; tokens only by GET.
    pub fn artifactory() -> Self {
        let tokens = Some(Tokens {
            post_status: Some(401),
            ..Tokens::default()
        });
        Self {
            name: "Artifactory",
            tokens,
            missing_manifest: 403,
            ..Self::distribution3()
        }
    }

    /// Gitea and Forgejo: the scope `*`, and one PATCH without a range.
    pub fn gitea() -> Self {
        let tokens = Some(Tokens {
            challenge_scope: Some("*"),
            post_status: Some(404),
            ..Tokens::default()
        });
        Self {
            name: "Gitea",
            tokens,
            ..Self::distribution3()
        }
        .uploads(|uploads| {
            uploads.streams_once = true;
            uploads.stale = Stale::Ignored;
            uploads.empty_range = "0--1";
            uploads.location = Location::Relative;
        })
    }

    /// Docker Hub: source scopes on mounts, and a quota of pulls.
    pub fn docker_hub() -> Self {
        let tokens = Some(Tokens {
            needs_source_scope: true,
            ..Tokens::default()
        });
        Self {
            name: "Docker Hub",
            tokens,
            ..Self::distribution3()
        }
    }

    /// DigitalOcean's: its token service accepts one scope at a time.
    pub fn digital_ocean() -> Self {
        let tokens = Some(Tokens {
            joined: Joined::Refused(400),
            ..Tokens::default()
        });
        Self {
            name: "DigitalOcean",
            tokens,
            ..Self::distribution3()
        }
    }

    /// Aliyun's: `Range` counts within the last part.
    pub fn aliyun() -> Self {
        Self {
            name: "Aliyun",
            ..Self::distribution3()
        }
        .uploads(|uploads| uploads.range = RangeWord::OfPart)
    }

    /// Nexus without a configured token realm.
    pub fn nexus() -> Self {
        let tokens = Some(Tokens {
            realm: Some("null://".to_owned()),
            ..Tokens::default()
        });
        Self {
            name: "Nexus",
            tokens,
            ..Self::distribution3()
        }
    }

    /// distribution behind a proxy with a limit on bodies.
    pub fn behind_small_proxy(largest_body_bytes: u64) -> Self {
        Self {
            name: "a proxy with a limit",
            largest_body_bytes: Some(largest_body_bytes),
            ..Self::distribution3()
        }
    }

    /// A registry that refuses PUT with a body.
    pub fn put_without_body() -> Self {
        Self {
            name: "PUT without a body",
            ..Self::distribution3()
        }
        .uploads(|uploads| uploads.put_body_refused = Some(405))
    }

    /// Changes the behavior of uploads.
    pub fn uploads(mut self, change: impl FnOnce(&mut Uploads)) -> Self {
        change(&mut self.uploads);
        self
    }

    /// Changes the behavior of tokens.
    pub fn tokens(mut self, change: impl FnOnce(&mut Tokens)) -> Self {
        change(self.tokens.get_or_insert_default());
        self
    }

    /// Blobs are counted and hashed, and not kept.
    pub fn keeping_nothing(self) -> Self {
        Self {
            keeps_blobs: false,
            ..self
        }
    }
}
