//! The job matrix for GitHub Actions.

use serde_json::{Map, Value, json};

use super::choices::MatrixBy;
use super::failure::Failure;
use super::member_outputs::MemberOutputs;
use crate::model::Platform;

/// Greatest number of jobs that GitHub generates from one matrix (GitHub's documentation, "Running variations of jobs in
/// a workflow"). It does not start a workflow with more.
const MAX_JOBS: usize = 256;

/// Returns the value of `strategy.matrix` of a job: an object with the list `include`, whose entries are the jobs. Each
/// entry has only strings, since an expression can use a string everywhere.
///
/// # Errors
/// Returns [`Failure`] for more jobs than GitHub runs.
pub fn github_matrix(members: &[&MemberOutputs<'_>], by: MatrixBy) -> Result<Value, Failure> {
    let jobs: Vec<Value> = match by {
        MatrixBy::Member => members.iter().map(|member| of_member(member)).collect(),
        MatrixBy::Platform => members.iter().flat_map(|member| by_platform(member)).collect(),
    };
    if jobs.len() > MAX_JOBS {
        return Err(Failure::usage(
            &format!("the matrix has {} jobs, but GitHub runs at most {MAX_JOBS}", jobs.len()),
            match by {
                MatrixBy::Member => "select fewer members, or use a matrix of shards: `ocitect build --shard I/N`",
                MatrixBy::Platform => "select fewer members, or leave out --by platform",
            },
        ));
    }
    Ok(json!({ "include": jobs }))
}

fn of_member(member: &MemberOutputs<'_>) -> Value {
    let platforms: Vec<String> = member.outputs.platforms.iter().map(ToString::to_string).collect();
    let mut job = job_of(member);
    job.insert("platforms".to_owned(), platforms.join(",").into());
    Value::Object(job)
}

fn by_platform<'a>(member: &'a MemberOutputs<'_>) -> impl Iterator<Item = Value> + 'a {
    member.outputs.platforms.iter().map(|platform| {
        let mut job = job_of(member);
        job.insert("platform".to_owned(), platform.to_string().into());
        job.insert("os-arch".to_owned(), os_arch(platform).into());
        Value::Object(job)
    })
}

/// Returns the fields that every job has. A spec on its own has no ID.
fn job_of(member: &MemberOutputs<'_>) -> Map<String, Value> {
    let id = member.id.map(|id| ("member".to_owned(), id.into()));
    id.into_iter().collect()
}

/// Returns a platform as a part of file names, such as `linux-arm64`.
fn os_arch(platform: &Platform) -> String {
    platform.to_string().replace('/', "-")
}
