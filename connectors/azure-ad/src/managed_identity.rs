//! The request for a managed identity's token (A.1): Azure's own machines hand tokens out on a link-local address, and
//! no secret of ours is involved. Only builds the request; `token` sends and judges.

use connector_contract::Secret;
use reqwest::Url;

const IMDS_VERSION: &str = "2018-02-01";
const APP_SERVICE_VERSION: &str = "2019-08-01";

/// The GET for `scope` (`https://graph.microsoft.com/.default`). `header` is App Service's secret; without one the
/// metadata service is asked. `client_id` names a user-assigned identity; empty for the machine's own.
pub(crate) fn request(
    http: &reqwest::Client,
    url: &Url,
    header: Option<&Secret>,
    client_id: &str,
    scope: &str,
) -> reqwest::RequestBuilder {
    let version = if header.is_some() { APP_SERVICE_VERSION } else { IMDS_VERSION };
    let mut url = url.clone();
    {
        let mut query = url.query_pairs_mut();
        query.append_pair("api-version", version).append_pair("resource", resource(scope));
        if !client_id.is_empty() {
            query.append_pair("client_id", client_id);
        }
    }
    let request = http.get(url);
    match header {
        Some(secret) => request.header("x-identity-header", secret.expose()),
        // Without it the service refuses: a forged request from a page could not set it.
        None => request.header("metadata", "true"),
    }
}

/// A scope's resource: here it is asked for without `/.default`.
fn resource(scope: &str) -> &str {
    scope.strip_suffix("/.default").unwrap_or(scope)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_service_is_asked_in_its_own_way() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::new();
        let url = Url::parse("http://169.254.169.254/metadata/identity/oauth2/token").unwrap();
        let scope = "https://graph.microsoft.com/.default";
        let imds = request(&http, &url, None, "", scope).build().unwrap();
        assert_eq!(imds.url().query(), Some("api-version=2018-02-01&resource=https%3A%2F%2Fgraph.microsoft.com"));
        assert_eq!(imds.headers()["metadata"], "true");
        let secret = Secret::new("of the platform");
        let service = request(&http, &url, Some(&secret), "an-id", scope).build().unwrap();
        assert!(service.url().query().unwrap().ends_with("&client_id=an-id"), "{}", service.url());
        assert!(service.url().query().unwrap().starts_with("api-version=2019-08-01&"), "{}", service.url());
        assert_eq!(service.headers()["x-identity-header"], "of the platform");
        assert!(!service.headers().contains_key("metadata"));
    }
}
