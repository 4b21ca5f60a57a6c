//! Workers and groups, which look the same in an experiment and in the deployment (`ch11 §6`).

/// Gives a client the operations of its registry. It has `request`, which completes a path below the registry's root.
macro_rules! registry_operations {
    ($client:ty) => {
        /// Workers and groups. Every operation fails with a [`ClientError`].
        impl $client {
            /// The caller's own identity here; 401 when the credential is not good.
            pub async fn whoami(&self) -> Result<Whoami, ClientError> {
                fetch(self.request(Method::GET, "/whoami")).await
            }

            /// Every worker.
            pub async fn workers(&self) -> Result<Vec<Worker>, ClientError> {
                let list: WorkerList = fetch(self.request(Method::GET, "/workers")).await?;
                Ok(list.workers)
            }

            /// The workers of one name.
            pub async fn workers_named(&self, name: &str) -> Result<Vec<Worker>, ClientError> {
                let request = self.request(Method::GET, "/workers").query(&[("name", name)]);
                Ok(fetch::<WorkerList>(request).await?.workers)
            }

            /// One worker.
            pub async fn read_worker(&self, id: &WorkerId) -> Result<Worker, ClientError> {
                fetch(self.request(Method::GET, &format!("/workers/{id}"))).await
            }

            /// Registers a worker; the secret is said only here. Admin only.
            pub async fn register_worker(
                &self,
                request: &RegisterWorker,
            ) -> Result<(Worker, secrecy::SecretString), ClientError> {
                let reply: Credentialed = fetch(with_body(self.request(Method::POST, "/workers"), request)).await?;
                Ok((reply.worker, reply.registration_token.into()))
            }

            /// Replaces a worker's secret; the old one stops working at once. Admin only.
            pub async fn reissue_credential(&self, id: &WorkerId) -> Result<secrecy::SecretString, ClientError> {
                let path = format!("/workers/{id}/reissue-credential");
                let reply: Credentialed = fetch(self.request(Method::POST, &path)).await?;
                Ok(reply.registration_token.into())
            }

            /// Every group.
            pub async fn groups(&self) -> Result<Vec<Group>, ClientError> {
                let list: GroupList = fetch(self.request(Method::GET, "/groups")).await?;
                Ok(list.groups)
            }

            /// The groups of one name.
            pub async fn groups_named(&self, name: &str) -> Result<Vec<Group>, ClientError> {
                let request = self.request(Method::GET, "/groups").query(&[("name", name)]);
                Ok(fetch::<GroupList>(request).await?.groups)
            }

            /// One group.
            pub async fn read_group(&self, id: &GroupId) -> Result<Group, ClientError> {
                fetch(self.request(Method::GET, &format!("/groups/{id}"))).await
            }

            /// Registers a group. Admin only.
            pub async fn register_group(&self, request: &RegisterGroup) -> Result<Group, ClientError> {
                fetch(with_body(self.request(Method::POST, "/groups"), request)).await
            }

            /// Adds a member to a group; idempotent. Admin only.
            pub async fn add_member(&self, group: &GroupId, member_id: MemberId) -> Result<Group, ClientError> {
                let request = self.request(Method::POST, &format!("/groups/{group}/members"));
                fetch(with_body(request, &AddMember { member_id })).await
            }

            /// Takes a member out of a group; idempotent. Admin only.
            pub async fn remove_member(&self, group: &GroupId, member: &MemberId) -> Result<Group, ClientError> {
                let path = format!("/groups/{group}/members/{member}");
                fetch(self.request(Method::DELETE, &path)).await
            }

            /// Deletes a group. Whatever names it admits nobody from then on. Admin only.
            pub async fn delete_group(&self, id: &GroupId) -> Result<(), ClientError> {
                acknowledge(self.request(Method::DELETE, &format!("/groups/{id}"))).await
            }
        }
    };
}

pub(super) use registry_operations;
