// SPDX-License-Identifier: Apache-2.0
//! iceoryx2: a request and its response as slices of bytes, both sides looking for them without
//! sleeping. What peers/iceoryx2.c declares. A panic ends the process.

use core::ffi::{c_char, c_void, CStr};
use iceoryx2::active_request::ActiveRequest;
use iceoryx2::pending_response::PendingResponse;
use iceoryx2::port::{client::Client, server::Server};
use iceoryx2::prelude::*;

type Bytes = [u8];
type OurClient = Client<ipc::Service, Bytes, (), Bytes, ()>;
type OurServer = Server<ipc::Service, Bytes, (), Bytes, ()>;

enum Role {
    Caller(OurClient, Option<PendingResponse<ipc::Service, Bytes, (), Bytes, ()>>),
    Responder(OurServer, Option<ActiveRequest<ipc::Service, Bytes, (), Bytes, ()>>),
}

struct End {
    role: Role,
    _node: Node<ipc::Service>,
}

fn open(name: &str, capacity: usize, calls: bool) -> End {
    set_log_level(LogLevel::Error);
    let node = NodeBuilder::new().create::<ipc::Service>().expect("a node");
    let service = node
        .service_builder(&name.try_into().expect("a service's name"))
        .request_response::<Bytes, Bytes>()
        .max_clients(1)
        .max_servers(1)
        .open_or_create()
        .expect("a service");
    let role = if calls {
        let client = service.client_builder().initial_max_slice_len(capacity).create();
        Role::Caller(client.expect("a client"), None)
    } else {
        let server = service.server_builder().initial_max_slice_len(capacity).create();
        Role::Responder(server.expect("a server"), None)
    };
    End { role, _node: node }
}

impl End {
    fn send(&mut self, bytes: &Bytes) {
        match &mut self.role {
            Role::Caller(client, pending) => {
                let request = client.loan_slice_uninit(bytes.len()).expect("room for a request");
                *pending = Some(request.write_from_slice(bytes).send().expect("a request"));
            }
            Role::Responder(_, active) => {
                let active = active.take().expect("a request to answer");
                let response = active.loan_slice_uninit(bytes.len()).expect("room for a response");
                response.write_from_slice(bytes).send().expect("a response");
            }
        }
    }

    fn receive(&mut self, bytes: &mut Bytes) -> usize {
        match &mut self.role {
            Role::Caller(_, pending) => {
                let pending = pending.take().expect("a request in flight");
                loop {
                    if let Some(response) = pending.receive().expect("a response") {
                        return copy(bytes, response.payload());
                    }
                    core::hint::spin_loop();
                }
            }
            Role::Responder(server, active) => loop {
                if let Some(request) = server.receive().expect("a request") {
                    let size = copy(bytes, request.payload());
                    *active = Some(request);
                    return size;
                }
                core::hint::spin_loop();
            },
        }
    }
}

fn copy(to: &mut Bytes, from: &Bytes) -> usize {
    to[..from.len()].copy_from_slice(from);
    from.len()
}

/// # Safety
/// The name ends with a NUL byte.
#[no_mangle]
pub unsafe extern "C" fn peer_iceoryx2_open(
    name: *const c_char,
    capacity: u32,
    calls: bool,
) -> *mut c_void {
    let name = CStr::from_ptr(name).to_str().expect("a name in UTF-8");
    Box::into_raw(Box::new(open(name, capacity as usize, calls))).cast()
}

/// # Safety
/// The end comes from `peer_iceoryx2_open`, and is not used any more.
#[no_mangle]
pub unsafe extern "C" fn peer_iceoryx2_close(end: *mut c_void) {
    drop(Box::from_raw(end.cast::<End>()));
}

/// # Safety
/// The end comes from `peer_iceoryx2_open`; so many bytes can be read.
#[no_mangle]
pub unsafe extern "C" fn peer_iceoryx2_send(end: *mut c_void, bytes: *const u8, size: u32) {
    (*end.cast::<End>()).send(core::slice::from_raw_parts(bytes, size as usize));
}

/// # Safety
/// The end comes from `peer_iceoryx2_open`; so many bytes can be written.
#[no_mangle]
pub unsafe extern "C" fn peer_iceoryx2_receive(
    end: *mut c_void,
    bytes: *mut u8,
    capacity: u32,
) -> u32 {
    let bytes = core::slice::from_raw_parts_mut(bytes, capacity as usize);
    (*end.cast::<End>()).receive(bytes) as u32
}
